import type { Device } from "../gpu/device.ts";

/** What a submission chose, and when the device worked on it, in ms of `performance.now()`. */
export interface Answer {
  readonly tokens: readonly number[];
  readonly startMs: number;
  readonly endMs: number;
}

/** Submissions that may be in flight; the next one waits for the oldest. */
const RING = 8;
const STEP_BYTES = 16;

interface Slot {
  readonly staging: GPUBuffer;
  readonly resolved: GPUBuffer | null;
  readonly timestamps: GPUQuerySet | undefined;
  free: Promise<void>;
}

/**
 * Turns passes of a model into submissions and their answers, in order. Chosen tokens come back through a ring of staging
 * buffers; a step's parameters are copied from a list that is written once a submission, so nothing is allocated.
 */
export class PassQueue {
  /** The uniform of step.wgsl. */
  readonly step: GPUBuffer;
  /** The tokens that the next pass feeds; argmax.wgsl writes the last chosen one to its head. */
  readonly tokens: GPUBuffer;
  readonly chosen: GPUBuffer;
  readonly #device: Device;
  readonly #maxRows: number;
  readonly #maxChosen: number;
  readonly #steps: GPUBuffer;
  readonly #ring: Slot[];
  readonly #stepData: Uint32Array<ArrayBuffer>;
  readonly #tokenData: Uint32Array<ArrayBuffer>;
  #turn = 0;
  #tail: Promise<unknown> = Promise.resolve();
  #lastEndMs = 0;
  #clockOffsetMs = Infinity;

  constructor(device: Device, maxRows: number, maxChosen: number) {
    this.#device = device;
    this.#maxRows = maxRows;
    this.#maxChosen = maxChosen;
    this.step = device.buffer("step", STEP_BYTES, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
    this.tokens = device.storage("tokens", maxRows * 4);
    this.chosen = device.storage("chosen", maxChosen * 4);
    this.#steps = device.storage("steps", maxChosen * STEP_BYTES);
    this.#stepData = new Uint32Array(maxChosen * STEP_BYTES / 4);
    this.#tokenData = new Uint32Array(maxRows);
    this.#ring = Array.from({ length: RING }, () => {
      const timestamps = device.timestamps(2);
      const usage = GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC;
      return {
        staging: device.buffer("answer", 16 + maxChosen * 4, GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST),
        resolved: timestamps ? device.buffer("timestamps", 16, usage) : null,
        timestamps,
        free: Promise.resolve(),
      };
    });
  }

  /**
   * Submits `steps` passes, each encoded by `encode`: the first over `tokens` (or, with null, over the token chosen last)
   * at `position`, each further one over one row at the next position. Answers `chosenRows` tokens a step.
   */
  run(
    tokens: readonly number[] | null,
    position: number,
    steps: number,
    encode: (pass: GPUComputePassEncoder, rows: number) => void,
    chosenRows: number,
  ): Promise<Answer> {
    const rows = tokens?.length ?? 1;
    if (rows < 1 || rows > this.#maxRows || steps * chosenRows > this.#maxChosen) {
      throw new RangeError(
        `Cannot run ${rows} rows, ${steps} steps: at most ${this.#maxRows} rows, ${this.#maxChosen} steps`,
      );
    }
    const slot = this.#ring[this.#turn++ % RING]!;
    const submitted = Promise.all([this.#tail, slot.free])
      .then(() => this.#submit(slot, tokens, rows, position, steps, encode, chosenRows));
    // A failed submission must not stop those behind it from failing by themselves.
    this.#tail = submitted.catch(() => {});
    const answer = submitted.then((submitMs) => this.#answer(slot, steps * chosenRows, submitMs));
    slot.free = answer.then(() => {}, () => {});
    return answer;
  }

  #submit(
    slot: Slot,
    tokens: readonly number[] | null,
    rows: number,
    position: number,
    steps: number,
    encode: (pass: GPUComputePassEncoder, rows: number) => void,
    chosenRows: number,
  ): number {
    const { queue } = this.#device;
    this.#device.check();
    for (let i = 0; i < steps; i++) this.#stepData.set([position + i, rows, i * chosenRows, 0], i * 4);
    queue.writeBuffer(this.#steps, 0, this.#stepData, 0, steps * 4);
    if (tokens) {
      this.#tokenData.set(tokens);
      queue.writeBuffer(this.tokens, 0, this.#tokenData, 0, rows);
    }
    const encoder = this.#device.encoder();
    for (let i = 0; i < steps; i++) {
      encoder.copyBufferToBuffer(this.#steps, i * STEP_BYTES, this.step, 0, STEP_BYTES);
      const [first, last] = [i === 0, i === steps - 1];
      const pass = encoder.beginComputePass(
        slot.timestamps && (first || last)
          ? {
            timestampWrites: {
              querySet: slot.timestamps,
              ...(first && { beginningOfPassWriteIndex: 0 }),
              ...(last && { endOfPassWriteIndex: 1 }),
            },
          }
          : undefined,
      );
      encode(pass, rows);
      pass.end();
    }
    if (slot.timestamps) {
      encoder.resolveQuerySet(slot.timestamps, 0, 2, slot.resolved!, 0);
      encoder.copyBufferToBuffer(slot.resolved!, 0, slot.staging, 0, 16);
    }
    encoder.copyBufferToBuffer(this.chosen, 0, slot.staging, 16, this.#maxChosen * 4);
    const submitMs = performance.now();
    queue.submit([encoder.finish()]);
    return submitMs;
  }

  async #answer(slot: Slot, count: number, submitMs: number): Promise<Answer> {
    try {
      await slot.staging.mapAsync(GPUMapMode.READ);
    } catch (error) {
      this.#device.check();
      throw error;
    }
    const doneMs = performance.now();
    const bytes = slot.staging.getMappedRange();
    const tokens = [...new Uint32Array(bytes, 16, count)];
    const times = slot.timestamps ? [...new BigUint64Array(bytes, 0, 2)].map((ns) => Number(ns) / 1e6) : null;
    slot.staging.unmap();
    this.#device.check();
    return { tokens, ...this.#interval(times, submitMs, doneMs) };
  }

  /** Device times are on a clock of their own: the least time ever seen from a pass's end to its answer tells how the two stand. */
  #interval(times: number[] | null, submitMs: number, doneMs: number): { startMs: number; endMs: number } {
    let [startMs, endMs] = [submitMs, doneMs];
    if (times && times[1]! > times[0]!) {
      this.#clockOffsetMs = Math.min(this.#clockOffsetMs, doneMs - times[1]!);
      [startMs, endMs] = [times[0]! + this.#clockOffsetMs, times[1]! + this.#clockOffsetMs];
    }
    startMs = Math.max(startMs, this.#lastEndMs);
    endMs = Math.max(startMs, endMs);
    this.#lastEndMs = endMs;
    return { startMs, endMs };
  }
}
