import type { Device, Resource } from "../gpu/device.ts";
import { createAccept, createArgmax, createBests, tileConstants } from "../kernels/sampling/argmax.ts";
import { CACHE_BYTES, CACHE_SOURCES, type CacheType, createAttention } from "../kernels/attention/attention.ts";
import { createEmbed } from "../kernels/embed/embed.ts";
import epilogueLogits from "../kernels/matmul/epilogue-logits.wgsl" with { type: "text" };
import epilogueQkv from "../kernels/matmul/epilogue-qkv.wgsl" with { type: "text" };
import epilogueResidual from "../kernels/matmul/epilogue-residual.wgsl" with { type: "text" };
import epilogueSwiglu from "../kernels/matmul/epilogue-swiglu.wgsl" with { type: "text" };
import { encodeKernel, encodeWarmUp, type Kernel } from "../kernels/kernel.ts";
import { createCache, createRows, defaultVariant, type KernelVariant } from "../kernels/kernel-variant.ts";
import { createMatmul, type Epilogue, type Matrix } from "../kernels/matmul/matmul.ts";
import rms from "../kernels/matmul/rms.wgsl" with { type: "text" };
import { Sampler } from "../kernels/sampling/sampling.ts";
import type { Sampling } from "../util/sampling.ts";
import { BranchSlots } from "../kernels/attention/branch-slots.ts";
import type { LlamaConfig } from "../checkpoint/config.ts";
import type { Checkpoint, CheckpointTensor } from "../checkpoint/checkpoint.ts";
import { type Answer, joinAnswers, type Passes, PassQueue, type PassWork } from "./pass-queue.ts";
import { ropeTable } from "./rope-table.ts";
import { loadMatrix, loadVector, matrixBytes, type MatrixPlan } from "./weights.ts";

/** Rows of a prefill's pass, which is cut at multiples of this many positions. */
export const PREFILL_ROWS = 64;
/** The most rows of a verification, and the most steps of one decode submission. */
export const VERIFY_ROWS = 16;

export interface LlamaOptions {
  /** Positions of the key-value cache. */
  readonly capacity: number;
  readonly cache?: CacheType;
  /**
   * Choose among the first so many tokens only, of all by default: ids are in the order of merges, so the frequent ones come first,
   * and the output product is most of a small draft's work.
   */
  readonly choices?: number;
  /** Tokens that a branch beside the text can hold; 0 by default. */
  readonly branchCapacity?: number;
  /** For tests and benchmarks; by default what suits the device. */
  readonly variant?: KernelVariant;
  /** Hears of the weights' file bytes as they come to lie on the device. */
  readonly onBytes?: (done: number, total: number) => void;
}

interface LayerPlan {
  readonly norms: readonly [attention: CheckpointTensor, feedForward: CheckpointTensor];
  /** Q, K and V as one matrix, or as several where their types differ. */
  readonly qkv: readonly { readonly plan: MatrixPlan; readonly firstRow: number }[];
  readonly output: MatrixPlan;
  readonly gateUp: MatrixPlan;
  readonly down: MatrixPlan;
}

/**
 * A Llama on a device: embedding, layers, output and argmax as one pass over 1 to 16 rows, with a static key-value cache.
 * A layer is five dispatches (six where V has a type of its own): QKV with RMSNorm and RoPE, attention, output with the residual, gate and
 * up with RMSNorm and SwiGLU, down with the residual. A row's bits don't depend on the rows beside it.
 */
export class Llama {
  readonly config: LlamaConfig;
  readonly capacity: number;
  /** Tokens that it chooses among: the ids below. */
  readonly choices: number;
  readonly variant: KernelVariant;
  readonly #device: Device;
  readonly #queue: PassQueue;
  readonly #layers: readonly Kernel[];
  /** The output product, then argmax. */
  readonly #head: readonly [readonly Kernel[], Kernel];
  readonly #accept: Kernel;
  readonly #logits: GPUBuffer;
  readonly #strip: BranchSlots;
  readonly #createSampler: () => Promise<Sampler>;
  #sampler: Promise<Sampler> | undefined;
  #sampling: Sampling | null = null;

  private constructor(
    device: Device,
    config: LlamaConfig,
    capacity: number,
    choices: number,
    variant: KernelVariant,
    queue: PassQueue,
    layers: readonly Kernel[],
    head: readonly [readonly Kernel[], Kernel],
    accept: Kernel,
    logits: GPUBuffer,
    strip: BranchSlots,
    createSampler: () => Promise<Sampler>,
  ) {
    this.#device = device;
    this.config = config;
    this.capacity = capacity;
    this.choices = choices;
    this.variant = variant;
    this.#queue = queue;
    this.#layers = layers;
    this.#head = head;
    this.#accept = accept;
    this.#logits = logits;
    this.#strip = strip;
    this.#createSampler = createSampler;
  }

  /**
   * Loads the weights and compiles and runs every kernel once. Throws a RangeError with figures, before anything is
   * allocated, if the model can't fit the device.
   */
  static async load(
    device: Device,
    checkpoint: Checkpoint,
    config: LlamaConfig,
    options: LlamaOptions,
  ): Promise<Llama> {
    const { capacity, cache = "f16", choices = config.vocabulary, branchCapacity = 0 } = options;
    const { variant = defaultVariant(device), onBytes } = options;
    const { layers, embedding, output } = planTensors(checkpoint, config);
    const outputNorm = checkpoint.tensors.get("output_norm.weight")!;
    assertFits(device, variant, config, capacity, branchCapacity, cache, [
      embedding,
      ...(output ? [output] : []),
      ...layers.flatMap(({ qkv, output, gateUp, down }) => [...qkv.map(({ plan }) => plan), output, gateUp, down]),
    ]);

    const total = [...checkpoint.tensors.values()].reduce((sum, { bytes }) => sum + bytes, 0);
    let done = 0;
    const load = (plan: MatrixPlan) => loadMatrix(device, variant, plan, (bytes) => onBytes?.(done += bytes, total));

    const { hidden, heads, kvHeads, headSize, feedForward, vocabulary } = config;
    const [queryRows, kvRows] = [heads * headSize, kvHeads * headSize];
    const floats = (label: string, rows: number, columns: number) => device.storage(label, rows * columns * 4);
    const queue = new PassQueue(device, PREFILL_ROWS, VERIFY_ROWS);
    const residual = floats("residual", PREFILL_ROWS, hidden);
    const weighted = createRows(device, variant, "weighted", PREFILL_ROWS, hidden);
    const squares = floats("squares", PREFILL_ROWS, hidden / (4 * variant.rowLanes));
    const queries = floats("queries", PREFILL_ROWS, queryRows);
    const attended = createRows(device, variant, "attended", PREFILL_ROWS, queryRows);
    const activation = createRows(device, variant, "activation", PREFILL_ROWS, feedForward);
    const rows = Math.min(choices, vocabulary);
    const logits = floats("logits", VERIFY_ROWS, rows);
    const rope = device.upload(
      "rope",
      ropeTable(capacity, {
        headSize,
        base: config.ropeBase,
        factors: config.ropeFactors,
        scale: config.ropeScale,
      }),
    );

    const rmsConstants = { HIDDEN: hidden, RMS_EPSILON: config.rmsEpsilon };
    const residualEpilogue = (norm: GPUBuffer): Epilogue => ({
      source: variant.memory.out + epilogueResidual,
      constants: { HIDDEN: hidden, OUT_QUADS: hidden / 4 },
      buffers: [norm, weighted, residual, squares],
    });
    const norms = await Promise.all(
      [...layers.flatMap(({ norms }) => norms), outputNorm].map(async (tensor) => {
        const norm = await loadVector(device, tensor);
        onBytes?.(done += tensor.bytes, total);
        return norm;
      }),
    );
    const embeddingMatrix = await load(embedding);
    const kernels: Kernel[] = await createEmbed(device, variant, embeddingMatrix, queue.step, [
      queue.tokens,
      norms[0]!,
      weighted,
      residual,
      squares,
    ]);
    const slotBytes = kvRows * CACHE_BYTES[cache];
    const caches: Resource[] = [];
    for (const [i, layer] of layers.entries()) {
      const cacheBytes = (branchCapacity + capacity) * slotBytes;
      const [keys, values] = [
        createCache(device, variant, `keys ${i}`, cacheBytes),
        createCache(device, variant, `values ${i}`, cacheBytes),
      ] as const;
      caches.push(keys, values);
      for (const { plan, firstRow } of layer.qkv) {
        kernels.push(
          ...await createMatmul(device, variant, shiftRows(await load(plan), firstRow), queue.step, weighted, {
            source: CACHE_SOURCES[cache] + variant.memory.cacheWrite + rms + epilogueQkv,
            constants: {
              ...rmsConstants,
              HEAD_SIZE: headSize,
              Q_ROWS: queryRows,
              KV_ROWS: kvRows,
              BRANCH_SLOTS: branchCapacity,
            },
            buffers: [squares, rope, queries, keys, values],
          }),
        );
      }
      kernels.push(
        await createAttention(device, variant, cache, config, branchCapacity, [
          queue.step,
          queries,
          keys,
          values,
          attended,
        ]),
        ...await createMatmul(
          device,
          variant,
          await load(layer.output),
          queue.step,
          attended,
          residualEpilogue(norms[2 * i + 1]!),
        ),
        ...await createMatmul(device, variant, await load(layer.gateUp), queue.step, weighted, {
          source: variant.memory.out + rms + epilogueSwiglu,
          constants: { ...rmsConstants, FEED_FORWARD: feedForward, OUT_QUADS: feedForward / 4 },
          buffers: [squares, activation],
        }),
        ...await createMatmul(
          device,
          variant,
          await load(layer.down),
          queue.step,
          activation,
          residualEpilogue(norms[2 * i + 2]!),
        ),
      );
    }

    const outputMatrix = { ...output ? await load(output) : embeddingMatrix, name: "output" };
    const bests = createBests(device, variant, VERIFY_ROWS, rows);
    const epilogue: Epilogue = {
      source: rms + epilogueLogits,
      constants: { ...rmsConstants, ...tileConstants(variant, rows) },
      buffers: [squares, logits, bests],
    };
    const head = [
      await createMatmul(device, variant, outputMatrix, queue.step, weighted, epilogue, rows),
      await createArgmax(device, variant, rows, [queue.step, bests, logits, queue.chosen, queue.tokens]),
    ] as const;
    const accept = await createAccept(device, [queue.step, queue.chosen, queue.tokens]);
    const strip = new BranchSlots(device, caches, branchCapacity, slotBytes);
    const llama = new Llama(
      device,
      config,
      capacity,
      rows,
      variant,
      queue,
      kernels,
      head,
      accept,
      logits,
      strip,
      () => {
        const input = { rows: VERIFY_ROWS, vocabulary: rows, step: queue.step, logits, bests };
        return Sampler.create(device, variant, input).catch((error) => {
          device.check();
          throw error;
        });
      },
    );
    await queue.run({
      tokens: [0],
      position: 0,
      steps: 1,
      work: {
        name: "warm-up",
        parts: [(pass) => {
          for (const kernel of [...kernels, ...head.flat(), accept]) encodeWarmUp(pass, kernel);
        }],
      },
      chosenRows: 0,
    });
    return llama;
  }

  /** How many tokens a branch can hold. */
  get branchCapacity(): number {
    return this.#strip.slots;
  }

  /** Dispatches of one pass. */
  get dispatches(): number {
    return this.#layers.length + this.#head.flat().length;
  }

  /** They themselves, in order. */
  get kernels(): readonly Kernel[] {
    return [...this.#layers, ...this.#head.flat()];
  }

  /**
   * Feeds tokens at `position` and on, in passes cut at multiples of PREFILL_ROWS; chooses nothing. `onFed` hears after
   * each pass how many of them are fed.
   */
  async prefill(
    tokens: readonly number[],
    position: number,
    onFed?: (count: number) => void,
  ): Promise<Answer> {
    const answers: Promise<Answer>[] = [];
    const work = passOver("prefill", this.#layers);
    for (let at = 0; at < tokens.length;) {
      const count = Math.min(PREFILL_ROWS - (position + at) % PREFILL_ROWS, tokens.length - at);
      const answer = this.#queue.run({
        tokens: tokens.slice(at, at + count),
        position: position + at,
        steps: 1,
        work,
        chosenRows: 0,
      });
      const fed = at += count;
      answers.push(answer.then((answer) => {
        onFed?.(fed);
        return answer;
      }));
    }
    return joinAnswers(await Promise.all(answers));
  }

  /** Feeds 1 to VERIFY_ROWS tokens in one pass and chooses a token after each. */
  verify(tokens: readonly number[], position: number): Promise<Answer> {
    return this.#queue.run({ tokens, position, steps: 1, work: this.#work, chosenRows: tokens.length });
  }

  /**
   * As `verify`, behind a verification sent just before, whatever that accepts: of the token that it chose last of those accepted, in the place where that
   * stands, then of `drafted`, fewer than VERIFY_ROWS.
   */
  verifyNext(drafted: readonly number[]): Promise<Answer> {
    return this.#queue.run({
      tokens: [null, ...drafted],
      position: null,
      steps: 1,
      before: (pass) => encodeKernel(pass, this.#accept, 1),
      work: this.#work,
      chosenRows: drafted.length + 1,
    });
  }

  /**
   * Feeds `token`, or the token chosen last, and then each chosen token, `steps` (at most VERIFY_ROWS) in one submission. With `fork`, into
   * the strip: what is fed attends to the text below `fork`, then to the strip.
   */
  decode(token: number | null, position: number, steps: number, fork?: number): Promise<Answer> {
    return this.#queue.run({ tokens: [token], position, steps, fork, work: this.#work, chosenRows: 1 });
  }

  /** Copies the strip's first `count` tokens to positions `fork` and on of the text. */
  keep(fork: number, count: number): Promise<Answer> {
    return this.#queue.copy((encoder) => this.#strip.encodeKeep(encoder, fork, count));
  }

  /** How what is sent from now on chooses. The first time, kernels are compiled for it, and messages wait for them. */
  sample(sampling: Sampling | null): void {
    this.#sampling = sampling;
    if (!sampling || this.#sampler) return;
    this.#sampler = this.#createSampler();
    // The messages that wait for it tell of the error.
    this.#sampler.catch(() => {});
  }

  get #work(): Passes["work"] {
    const sampling = this.#sampling;
    const [output, argmax] = this.#head;
    const through = (kernels: readonly Kernel[]) => [...this.#layers, ...output, ...kernels, argmax];
    if (!sampling) return passOver("argmax", through([]));
    return this.#sampler!.then((sampler) => {
      const kernels = sampler.kernels(sampling);
      const name = kernels.map(({ label }) => label).join(" ");
      return { ...passOver(name, through(kernels)), write: () => sampler.write(sampling) };
    });
  }

  /** The logits of the last pass's rows, or the scores if it sampled, [rows][choices]; for tests and tools. */
  async logits(rows: number): Promise<Float32Array> {
    return new Float32Array(await this.#device.read(this.#logits, rows * this.choices * 4));
  }
}

/** A pass of so many dispatches is sent in two parts, an eighth first: to send fewer takes the host no longer than another submission. */
const LONG_PASS = 64;

function passOver(name: string, kernels: readonly Kernel[]): PassWork {
  const first = kernels.length < LONG_PASS ? kernels.length : Math.ceil(kernels.length / 8);
  const parts = [kernels.slice(0, first), kernels.slice(first)].filter(({ length }) => length > 0);
  return {
    name,
    parts: parts.map((part) => (pass, rows) => {
      for (const kernel of part) encodeKernel(pass, kernel, rows);
    }),
  };
}

/** A matrix whose rows stand at `firstRow` and on of a larger one that exists only in parts. */
function shiftRows(matrix: Matrix, firstRow: number): Matrix {
  return { ...matrix, parts: matrix.parts.map((part) => ({ ...part, firstRow: part.firstRow + firstRow })) };
}

function planTensors(checkpoint: Checkpoint, config: LlamaConfig) {
  const tensor = (name: string) => checkpoint.tensors.get(name)!;
  const plan = (name: string, tensors: readonly CheckpointTensor[]): MatrixPlan => ({
    name,
    tensors,
    arrangement: "concatenate",
  });
  const layers = Array.from({ length: config.layers }, (_, i): LayerPlan => {
    const at = (name: string) => tensor(`blk.${i}.${name}.weight`);
    const qkv: { plan: MatrixPlan; firstRow: number }[] = [];
    let firstRow = 0;
    for (const part of [at("attn_q"), at("attn_k"), at("attn_v")]) {
      const last = qkv.at(-1);
      if (last && last.plan.tensors[0]!.type === part.type) {
        last.plan = plan("qkv", [...last.plan.tensors, part]);
      } else qkv.push({ plan: plan("qkv", [part]), firstRow });
      firstRow += part.shape[1]!;
    }
    return {
      norms: [at("attn_norm"), at("ffn_norm")],
      qkv,
      output: plan("attention output", [at("attn_output")]),
      gateUp: { name: "gate and up", tensors: [at("ffn_gate"), at("ffn_up")], arrangement: "alternate" },
      down: plan("down", [at("ffn_down")]),
    };
  });
  return {
    layers,
    embedding: plan("embedding", [tensor("token_embd.weight")]),
    output: config.tied ? null : plan("output", [tensor("output.weight")]),
  };
}

/** A device's memory can't be asked for in WebGPU: what is held against its limits is each buffer. */
function assertFits(
  device: Device,
  variant: KernelVariant,
  config: LlamaConfig,
  capacity: number,
  branchCapacity: number,
  cache: CacheType,
  plans: readonly MatrixPlan[],
): void {
  const { maxStorageBufferBindingSize, maxBufferSize } = device.limits;
  const limit = Math.min(maxStorageBufferBindingSize, maxBufferSize);
  const weightBytes = plans.reduce((sum, plan) => sum + matrixBytes(plan, variant), 0);
  const cacheBytes = (branchCapacity + capacity) * config.kvHeads * config.headSize * CACHE_BYTES[cache];
  // Those of a prefill are larger than a tile of weights of as many columns, below which no matrix can be cut.
  const rowBytes = 4 * Math.max(config.hidden, config.heads * config.headSize, config.feedForward);
  const largest = Math.max(
    cacheBytes,
    capacity * config.headSize * 4,
    VERIFY_ROWS * config.vocabulary * 4,
    PREFILL_ROWS * rowBytes,
  );
  if (largest > limit) {
    const mib = (bytes: number) => `${Math.ceil(bytes / 2 ** 20)} MiB`;
    throw new RangeError(
      `Cannot load ${config.name} on the ${device.label} device (${device.adapter.name}): a context of ${capacity} needs buffers of ` +
        `${mib(largest)} (with ${mib(weightBytes)} of weights and ${mib(2 * cacheBytes * config.layers)} of cache), ` +
        `the device binds at most ${mib(limit)}; use a smaller --context or model`,
    );
  }
}
