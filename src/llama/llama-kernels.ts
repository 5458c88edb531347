import type { CheckpointTensor } from "../checkpoint/checkpoint.ts";
import type { LlamaConfig } from "../checkpoint/config.ts";
import type { Resource } from "../gpu/device.ts";
import { createAttention, KV_CACHE_BYTES, type KvCacheType } from "../kernels/attention/attention.ts";
import { BranchSlots } from "../kernels/attention/branch-slots.ts";
import type { SlottedCache } from "../kernels/attention/cache-copies.ts";
import { createQkNorm } from "../kernels/attention/qk-norm.ts";
import { createEmbed } from "../kernels/embed/embed.ts";
import type { Kernel } from "../kernels/kernel.ts";
import type { KernelContext } from "../kernels/kernel-context.ts";
import {
  gateAndUpEpilogues,
  logitsEpilogue,
  qkvEpilogue,
  residualEpilogue,
  type Rms,
  swigluEpilogue,
} from "../kernels/matmul/epilogues.ts";
import { createMatmul, type Epilogue, type Matrix } from "../kernels/matmul/matmul.ts";
import { createAccept, createArgmax, createArgmaxTiles } from "../kernels/sampling/argmax.ts";
import { MAX_ROWS } from "../spec/lanes/lane.ts";
import { Chooser } from "./chooser.ts";
import type { LayerPlan, ModelPlan } from "./model-plan.ts";
import type { PassQueue } from "./pass-queue.ts";
import { ropeTable } from "./rope-table.ts";
import { loadMatrix, loadVector, type MatrixPlan } from "./weights.ts";

/** How large a Llama's caches and outputs are. */
export interface LlamaSizes {
  /** Positions of the main sequence. */
  readonly capacity: number;
  /** Positions of a branch beside it. */
  readonly branchCapacity: number;
  readonly kvCache: KvCacheType;
  /** Tokens that are chosen among: the ids below this. */
  readonly vocabulary: number;
  /** But for these. */
  readonly lacking: ReadonlySet<number>;
}

/** A model, and what its kernels are made for. */
export interface LlamaParts {
  readonly context: KernelContext;
  readonly queue: PassQueue;
  readonly config: LlamaConfig;
  readonly sizes: LlamaSizes;
}

/** The kernels of a Llama, with its weights and caches bound. */
export interface LlamaKernels {
  /** The embedding, then layer by layer. */
  readonly layers: readonly Kernel[];
  /** The output product. */
  readonly output: readonly Kernel[];
  readonly argmax: Kernel;
  readonly accept: Kernel;
  /** [MAX_ROWS][vocabulary] in float32; the scores, where a sampler made some of them. */
  readonly logits: GPUBuffer;
  readonly branchSlots: BranchSlots;
  /** Keys and values of each layer, and the tokens behind them: all that a text has in the caches. */
  readonly caches: readonly SlottedCache[];
  /** Chooses otherwise than by argmax alone. */
  readonly chooser: Chooser;
}

/** Loads the weights and compiles the kernels. `onBytes` hears of each of the file's bytes that lie on the device. */
export async function createLlamaKernels(
  parts: LlamaParts,
  plan: ModelPlan,
  onBytes: (bytes: number) => void,
): Promise<LlamaKernels> {
  const builder = new LlamaBuilder(parts, plan, onBytes);
  const norms = await Promise.all(
    [...plan.layers.flatMap(({ attentionNorm, feedForwardNorm }) => [attentionNorm, feedForwardNorm]), plan.outputNorm]
      .map((tensor) => builder.loadVector(tensor)),
  );
  const embedding = await builder.load(plan.embedding);
  const layers = await builder.createEmbedding(embedding, norms[0]!);
  for (const [i, layer] of plan.layers.entries()) {
    layers.push(...await builder.createLayer(i, layer, norms[2 * i + 1]!, norms[2 * i + 2]!));
  }
  const output = plan.output ? await builder.load(plan.output) : embedding;
  const { caches } = builder;
  const branchSlots = new BranchSlots(parts.context.device, caches, parts.sizes.branchCapacity);
  return { layers, branchSlots, caches, ...await builder.createHead(output) };
}

/** The buffers and textures that the kernels of a pass leave for those behind them. */
interface Activations {
  readonly residual: Resource;
  /** residual * norm weight. */
  readonly weighted: Resource;
  /** Each tile's sum of squares of the residual. */
  readonly squares: Resource;
  readonly queries: Resource;
  /** Queries and keys before their norms; null where no layer has such norms. */
  readonly projected: Resource | null;
  readonly attended: Resource;
  /** silu(gate) * up. */
  readonly activation: Resource;
}

function createActivations({ context, config, queue }: LlamaParts, plan: ModelPlan): Activations {
  const { device, variant } = context;
  const { hidden, heads, kvHeads, headSize, feedForward } = config;
  const hasQkNorms = plan.layers.some(({ qkNorms }) => qkNorms);
  const floats = (label: string, width: number) => device.storage(label, queue.maxRows * width * 4);
  const rows = (label: string, width: number) => context.createRows(label, queue.maxRows, width);
  return {
    residual: floats("residual", hidden),
    weighted: rows("weighted", hidden),
    squares: floats("squares", hidden / variant.tileN),
    queries: floats("queries", heads * headSize),
    projected: hasQkNorms ? floats("projected", (heads + kvHeads) * headSize) : null,
    attended: rows("attended", heads * headSize),
    activation: rows("activation", feedForward),
  };
}

/** Loads and compiles one after the other; the kernels share activations and the RoPE table. */
class LlamaBuilder {
  readonly #parts: LlamaParts;
  readonly #onBytes: (bytes: number) => void;
  readonly #activations: Activations;
  readonly #rms: Rms;
  readonly #rope: GPUBuffer;
  /** The token in each slot of the caches. */
  readonly #history: GPUBuffer;
  /** The gates of a layer whose ups are of another type; only where there is one. */
  #gates: GPUBuffer | undefined;
  /** Keys and values, layer by layer. */
  readonly #caches: Resource[] = [];

  constructor(parts: LlamaParts, plan: ModelPlan, onBytes: (bytes: number) => void) {
    const { context, config, sizes } = parts;
    this.#parts = parts;
    this.#onBytes = onBytes;
    this.#activations = createActivations(parts, plan);
    this.#rms = { hidden: config.hidden, epsilon: config.rmsEpsilon, squares: this.#activations.squares };
    this.#rope = context.device.upload("rope", ropeTable(sizes.capacity, config.headSize, config.rope));
    this.#history = context.device.storage("history", (sizes.branchCapacity + sizes.capacity) * 4);
  }

  load(plan: MatrixPlan): Promise<Matrix> {
    return loadMatrix(this.#parts.context, plan, this.#onBytes);
  }

  async loadVector(tensor: CheckpointTensor): Promise<GPUBuffer> {
    const vector = await loadVector(this.#parts.context.device, tensor);
    this.#onBytes(tensor.bytes);
    return vector;
  }

  createEmbedding(matrix: Matrix, norm: GPUBuffer): Promise<Kernel[]> {
    const { context, queue: { tokens, step }, sizes: { branchCapacity } } = this.#parts;
    const { weighted, residual, squares } = this.#activations;
    const resources = [tokens, norm, weighted, residual, squares, this.#history];
    return createEmbed(context, matrix, step, branchCapacity, resources);
  }

  /** `nextNorm` is the norm behind this layer: the next layer's, or the output's. */
  async createLayer(
    layer: number,
    plan: LayerPlan,
    feedForwardNorm: GPUBuffer,
    nextNorm: GPUBuffer,
  ): Promise<Kernel[]> {
    const { context, queue, config, sizes: { capacity, kvCache, branchCapacity: branchSlots } } = this.#parts;
    const { weighted, queries, projected, attended, activation } = this.#activations;
    const [keys, values] = [this.#createCache(`keys ${layer}`), this.#createCache(`values ${layer}`)];
    const { heads, kvHeads, headSize } = config;
    const rotates = config.ropeLayers[layer]!;
    const qkNorms = plan.qkNorms !== null;
    // A window that no text outgrows is none.
    const sliding = config.windows[layer]!;
    const window = sliding !== null && sliding < capacity ? sliding : null;
    const shape = { heads, kvHeads, headSize, window, rotates, qkNorms, kvCache, branchSlots };
    const rope = this.#rope;
    const qkv = qkvEpilogue(context, this.#rms, shape, { rope, queries: qkNorms ? projected! : queries, keys, values });
    const gateUp = this.#gateUpEpilogues(plan.gateUp.length);
    const kernels: Kernel[] = [];
    for (const { plan: part, firstN } of plan.qkv) {
      kernels.push(...await this.#createMatmul(shifted(await this.load(part), firstN), weighted, qkv));
    }
    if (plan.qkNorms) {
      const norms = await Promise.all(plan.qkNorms.map((tensor) => this.loadVector(tensor)));
      const resources = [queue.step, projected!, ...norms, rope, queries, keys, values];
      kernels.push(await createQkNorm(context, shape, config.rmsEpsilon, resources));
    }
    kernels.push(await createAttention(context, shape, [queue.step, queries, keys, values, attended]));
    for (
      const [matrix, x, epilogue] of [
        [plan.attentionOutput, attended, this.#residualEpilogue(feedForwardNorm)],
        ...plan.gateUp.map((matrix, i) => [matrix, weighted, gateUp[i]!] as const),
        [plan.down, activation, this.#residualEpilogue(nextNorm)],
      ] as const
    ) kernels.push(...await this.#createMatmul(await this.load(matrix), x, epilogue));
    return kernels;
  }

  /** The output product, the choice and what follows it; `matrix` may be the embedding's. */
  async createHead(matrix: Matrix): Promise<Omit<LlamaKernels, "layers" | "branchSlots" | "caches">> {
    const { context, queue: { step, tokens, chosen }, sizes: { vocabulary, lacking, branchCapacity } } = this.#parts;
    const logits = context.device.storage("logits", MAX_ROWS * vocabulary * 4);
    const argmaxTiles = createArgmaxTiles(context, MAX_ROWS, vocabulary);
    const bits = lacking.size > 0 ? context.device.upload("lacking", bitsOf(lacking, vocabulary)) : undefined;
    const epilogue = logitsEpilogue(context, this.#rms, vocabulary, { logits, argmaxTiles }, bits);
    const named = { ...matrix, name: "output" };
    return {
      output: await createMatmul(context, named, step, this.#activations.weighted, epilogue, vocabulary),
      argmax: await createArgmax(context, vocabulary, [step, argmaxTiles, logits, chosen, tokens]),
      accept: await createAccept(context, [step, chosen, tokens]),
      logits,
      chooser: new Chooser(context, {
        rows: MAX_ROWS,
        vocabulary,
        step,
        tokens,
        history: this.#history,
        branchSlots: branchCapacity,
        logits,
        argmaxTiles,
        chosen,
      }),
    };
  }

  /** The caches of all layers made so far, and the tokens'. */
  get caches(): readonly SlottedCache[] {
    const bytes = slotBytes(this.#parts.config, this.#parts.sizes.kvCache);
    return [...this.#caches.map((cache) => ({ cache, slotBytes: bytes })), { cache: this.#history, slotBytes: 4 }];
  }

  #createMatmul(matrix: Matrix, x: Resource, epilogue: Epilogue): Promise<Kernel[]> {
    return createMatmul(this.#parts.context, matrix, this.#parts.queue.step, x, epilogue);
  }

  #residualEpilogue(norm: GPUBuffer): Epilogue {
    return residualEpilogue(this.#parts.context, this.#parts.config.hidden, { ...this.#activations, norm });
  }

  /** The epilogues of gate and up as one matrix or as two. */
  #gateUpEpilogues(matrices: number): Epilogue[] {
    const { context, queue, config: { feedForward } } = this.#parts;
    const { activation } = this.#activations;
    if (matrices === 1) return [swigluEpilogue(context, this.#rms, feedForward, activation)];
    this.#gates ??= context.device.storage("gates", queue.maxRows * feedForward * 4);
    return gateAndUpEpilogues(context, this.#rms, feedForward, this.#gates, activation);
  }

  #createCache(label: string): Resource {
    const { context, config, sizes: { branchCapacity, capacity, kvCache } } = this.#parts;
    const cache = context.createCache(label, (branchCapacity + capacity) * slotBytes(config, kvCache));
    this.#caches.push(cache);
    return cache;
  }
}

/** Bytes of a layer's keys, or of its values, of one position. */
export function slotBytes({ kvHeads, headSize }: LlamaConfig, kvCache: KvCacheType): number {
  return kvHeads * headSize * KV_CACHE_BYTES[kvCache];
}

/** A bit for each of `count` numbers, from the lowest one of the first word on: whether it is among these. */
function bitsOf(numbers: ReadonlySet<number>, count: number): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(Math.ceil(count / 32));
  for (const number of numbers) words[number >> 5]! |= 1 << number % 32;
  return words;
}

/** The matrix as the part that begins at `firstN` of a larger one, which exists only in parts. */
function shifted(matrix: Matrix, firstN: number): Matrix {
  return { ...matrix, parts: matrix.parts.map((part) => ({ ...part, firstN: part.firstN + firstN })) };
}
