import type { LlamaConfig } from "../checkpoint/config.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import type { Device } from "../gpu/device.ts";
import type { KvCacheType } from "../kernels/attention/attention.ts";
import { encodeKernel, encodeWarmUp, type Kernel } from "../kernels/kernel.ts";
import { SavedPositions } from "../kernels/attention/saved-positions.ts";
import { KernelContext } from "../kernels/kernel-context.ts";
import type { KernelVariant } from "../kernels/kernel-variant.ts";
import { type LaneResult, MAX_ROWS, type SavedText } from "../spec/lanes/lane.ts";
import { sum } from "../util/numbers.ts";
import type { Sampling } from "../util/sampling.ts";
import type { Choice } from "./chooser.ts";
import { createLlamaKernels, type LlamaKernels, type LlamaParts, type LlamaSizes, slotBytes } from "./llama-kernels.ts";
import { matricesOf, type ModelPlan, planModel } from "./model-plan.ts";
import { joinResults, PassQueue, type PassWork } from "./pass-queue.ts";
import type { EncodePass } from "./pass-shape.ts";
import { matrixBytes } from "./weights.ts";

/** Rows of a prefill's pass, which is cut at multiples of this many positions. */
export const PREFILL_ROWS = 64;

export interface LlamaOptions {
  /** Positions of the KV cache. */
  readonly capacity: number;
  /** How the KV cache keeps an element; "f16" by default. */
  readonly kvCache?: KvCacheType;
  /**
   * Choose among the tokens with ids below this only, by default among all. Ids are in the order of merges, so the
   * frequent ones come first, and the output product is most of a small draft model's work.
   */
  readonly vocabularyLimit?: number;
  /** Never choose these tokens. */
  readonly lacking?: ReadonlySet<number>;
  /** Tokens that a branch beside the text can hold; 0 by default. */
  readonly branchCapacity?: number;
  /** Tests and benchmarks choose one; by default it is the one that suits the device. */
  readonly variant?: KernelVariant;
  /** Hears of the weights' file bytes as they come to lie on the device. */
  readonly onBytes?: (done: number, total: number) => void;
}

/** The dispatches of a pass as the queue takes them. */
type PassParts = PassWork["parts"];

/**
 * A Llama on a device: embedding, layers, output and choice as one pass over 1 to 16 rows, with a static KV cache.
 * A layer is five dispatches (more where Q, K and V, or gate and up, differ in type; one more for norms of Q and K):
 * QKV with RMSNorm and RoPE, attention, output with the residual, gate and up with RMSNorm and SwiGLU, down with the
 * residual. A row's bits don't depend on the rows beside it.
 */
export class Llama {
  readonly config: LlamaConfig;
  /** Positions of the KV cache. */
  readonly capacity: number;
  /** Tokens that are chosen among: the ids below this. */
  readonly vocabulary: number;
  readonly context: KernelContext;
  readonly #queue: PassQueue;
  readonly #kernels: LlamaKernels;
  readonly #prefillParts: PassParts;
  /** Keyed by the kernels around argmax. */
  readonly #choosingParts = new Map<Choice["kernels"], PassParts>();
  readonly #encodeAccept: EncodePass;
  #choice: Promise<Choice> | null = null;

  private constructor({ config, sizes, context, queue }: LlamaParts, kernels: LlamaKernels) {
    this.config = config;
    this.capacity = sizes.capacity;
    this.vocabulary = sizes.vocabulary;
    this.context = context;
    this.#queue = queue;
    this.#kernels = kernels;
    this.#prefillParts = passParts(kernels.layers);
    this.#encodeAccept = (pass) => encodeKernel(pass, kernels.accept, 1);
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
    const { capacity, kvCache = "f16", branchCapacity = 0, variant, onBytes } = options;
    const sizes = { capacity, branchCapacity, kvCache, ...choices(config, options) };
    const context = new KernelContext(device, variant);
    const plan = planModel(checkpoint, config);
    assertFits(context, config, sizes, plan);

    const total = sum([...checkpoint.tensors.values()].map(({ bytes }) => bytes));
    let done = 0;
    const parts = { config, sizes, context, queue: new PassQueue(device, PREFILL_ROWS, MAX_ROWS) };
    const kernels = await createLlamaKernels(parts, plan, (bytes) => onBytes?.(done += bytes, total));
    const llama = new Llama(parts, kernels);
    await llama.#warmUp();
    return llama;
  }

  async #warmUp(): Promise<void> {
    const encode: EncodePass = (pass) => {
      for (const kernel of [...this.kernels, this.#kernels.accept]) encodeWarmUp(pass, kernel);
    };
    await this.#queue.run({ tokens: [0], position: 0, steps: 1, work: { parts: [encode] }, chosenRows: 0 });
  }

  /** How many tokens a branch can hold. */
  get branchCapacity(): number {
    return this.#kernels.branchSlots.count;
  }

  /** The kernels of a pass that chooses by argmax, in order; each is one dispatch. */
  get kernels(): readonly Kernel[] {
    const { layers, output, argmax } = this.#kernels;
    return [...layers, ...output, argmax];
  }

  /**
   * Feeds tokens at `position` and on, in passes cut at multiples of PREFILL_ROWS; chooses nothing. After each pass
   * `onFed` hears how many of the tokens are fed.
   */
  async prefill(
    tokens: readonly number[],
    position: number,
    onFed?: (count: number) => void,
  ): Promise<LaneResult> {
    const results: Promise<LaneResult>[] = [];
    for (let at = 0; at < tokens.length;) {
      const count = Math.min(PREFILL_ROWS - (position + at) % PREFILL_ROWS, tokens.length - at);
      const result = this.#queue.run({
        tokens: tokens.slice(at, at + count),
        position: position + at,
        steps: 1,
        work: { parts: this.#prefillParts },
        chosenRows: 0,
      });
      const fed = at += count;
      results.push(result.then((result) => {
        onFed?.(fed);
        return result;
      }));
    }
    return joinResults(await Promise.all(results));
  }

  /** Feeds 1 to MAX_ROWS tokens in one pass and chooses a token after each. */
  verify(tokens: readonly number[], position: number): Promise<LaneResult> {
    return this.#queue.run({ tokens, position, steps: 1, work: this.#work, chosenRows: tokens.length });
  }

  /**
   * Verifies behind a verification sent just before, whatever that accepts: feeds the token that the device chooses
   * behind the accepted ones, in the place where that stands, then `drafted`, fewer than MAX_ROWS.
   */
  verifyNext(drafted: readonly number[]): Promise<LaneResult> {
    return this.#queue.run({
      tokens: [null, ...drafted],
      position: null,
      steps: 1,
      before: this.#encodeAccept,
      work: this.#work,
      chosenRows: drafted.length + 1,
    });
  }

  /**
   * Feeds `token`, or the token chosen last, and then each chosen token, `steps` (at most MAX_ROWS) in one submission.
   * With `fork` the tokens go into the branch slots: a row attends to the text below `fork`, then to the branch.
   */
  decode(token: number | null, position: number, steps: number, fork?: number): Promise<LaneResult> {
    return this.#queue.run({ tokens: [token], position, steps, fork, work: this.#work, chosenRows: 1 });
  }

  /** Copies the first `count` tokens of the branch to positions `fork` and on of the text. */
  keep(fork: number, count: number): Promise<LaneResult> {
    return this.#queue.copy((encoder) => this.#kernels.branchSlots.encodeKeep(encoder, fork, count));
  }

  /**
   * Copies what the caches hold of the first `count` tokens of the text to buffers beside them; null where the device
   * has no memory for those.
   */
  async save(count: number): Promise<SavedText | null> {
    const { caches, branchSlots } = this.#kernels;
    const allocated = SavedPositions.allocate(this.context.device, caches, branchSlots.count, count);
    await this.#queue.copy(allocated.then((saved) => (encoder) => saved?.encodeSave(encoder)));
    const saved = await allocated;
    return saved && {
      length: count,
      restore: (count) => this.#queue.copy((encoder) => saved.encodeRestore(encoder, count)),
      free: () => saved.free(),
    };
  }

  /**
   * Sets how the messages sent from now on choose: by argmax with null. What needs other kernels has them compiled the
   * first time, and messages wait for them.
   */
  sample(sampling: Sampling | null): void {
    this.#choice = sampling && this.#kernels.chooser.choice(sampling).catch((error) => {
      this.context.device.check();
      throw error;
    });
    // The messages that wait for the kernels tell of the error.
    this.#choice?.catch(() => {});
  }

  get #work(): PassWork | Promise<PassWork> {
    if (!this.#choice) return { parts: this.#partsWith(ARGMAX_ALONE) };
    return this.#choice.then(({ kernels, write, logprobs }) => ({ parts: this.#partsWith(kernels), write, logprobs }));
  }

  /** A pass that chooses with these kernels; the same array for the same ones. */
  #partsWith(around: Choice["kernels"]): PassParts {
    let parts = this.#choosingParts.get(around);
    if (!parts) {
      const { layers, output, argmax } = this.#kernels;
      const kernels = [...layers, ...output, ...around.before, argmax, ...around.after];
      this.#choosingParts.set(around, parts = passParts(kernels));
    }
    return parts;
  }

  /** The logits of the last pass's rows, or the scores if it sampled, [rows][vocabulary]; for tests and tools. */
  async logits(rows: number): Promise<Float32Array> {
    return new Float32Array(await this.context.device.read(this.#kernels.logits, rows * this.vocabulary * 4));
  }
}

const ARGMAX_ALONE: Choice["kernels"] = { before: [], after: [] };

/**
 * A pass with at least this many dispatches is sent in two parts, an eighth of it first: to send fewer dispatches takes
 * the host no longer than another submission.
 */
const LONG_PASS = 64;

/** What is chosen among: lacking tokens at the vocabulary's end are no part of it. */
function choices(config: LlamaConfig, { vocabularyLimit = Infinity, lacking }: LlamaOptions) {
  let vocabulary = Math.min(vocabularyLimit, config.vocabulary);
  while (vocabulary > 1 && lacking?.has(vocabulary - 1)) vocabulary--;
  return { vocabulary, lacking: new Set([...lacking ?? []].filter((token) => token < vocabulary)) };
}

function passParts(kernels: readonly Kernel[]): PassParts {
  const first = kernels.length < LONG_PASS ? kernels.length : Math.ceil(kernels.length / 8);
  return [kernels.slice(0, first), kernels.slice(first)].filter(({ length }) => length > 0).map(
    (part) => (pass: GPUComputePassEncoder, rows: number) => {
      for (const kernel of part) encodeKernel(pass, kernel, rows);
    },
  );
}

/** Throws unless each buffer fits the device's limits, which is all that WebGPU tells of a device's memory. */
function assertFits(
  { device, variant }: KernelContext,
  config: LlamaConfig,
  { capacity, branchCapacity, kvCache }: LlamaSizes,
  plan: ModelPlan,
): void {
  const { maxStorageBufferBindingSize, maxBufferSize } = device.limits;
  const limit = Math.min(maxStorageBufferBindingSize, maxBufferSize);
  const weightBytes = sum(matricesOf(plan).map((matrix) => matrixBytes(matrix, variant)));
  const cacheBytes = (branchCapacity + capacity) * slotBytes(config, kvCache);
  // A prefill's rows are larger than a tile of weights with the same k, below which no matrix can be cut.
  const hasQkNorms = plan.layers.some(({ qkNorms }) => qkNorms);
  const projected = (config.heads + (hasQkNorms ? config.kvHeads : 0)) * config.headSize;
  const rowBytes = 4 * Math.max(config.hidden, projected, config.feedForward);
  const largest = Math.max(
    cacheBytes,
    capacity * config.headSize * 4,
    MAX_ROWS * config.vocabulary * 4,
    PREFILL_ROWS * rowBytes,
  );
  if (largest > limit) {
    const mib = (bytes: number) => `${Math.ceil(bytes / 2 ** 20)} MiB`;
    throw new RangeError(
      `Cannot load ${config.name} on the ${device.label} device (${device.adapter.name}): a context of ${capacity} ` +
        `needs buffers of ${mib(largest)} (with ${mib(weightBytes)} of weights and ` +
        `${mib(2 * cacheBytes * config.layers)} of cache), the device binds at most ${mib(limit)}; ` +
        "use a smaller --context or model",
    );
  }
}
