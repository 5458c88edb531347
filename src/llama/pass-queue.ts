import type { Device } from "../gpu/device.ts";
import { countSubmission } from "../gpu/garbage.ts";
import { expectAnswer } from "../gpu/poll-shim.ts";
import { CHOICE_BYTES } from "../kernels/sampling/argmax.ts";

/** What a submission chose, as LaneResult has it, and when the device worked on it, in ms of `performance.now()`. */
export interface Answer {
  readonly tokens: readonly number[];
  readonly confidences: readonly number[];
  readonly runnersUp: readonly number[];
  readonly startMs: number;
  readonly endMs: number;
}

/** What several submissions, one behind the other, chose. */
export function joinAnswers(answers: readonly Answer[]): Answer {
  return {
    tokens: answers.flatMap(({ tokens }) => tokens),
    confidences: answers.flatMap(({ confidences }) => confidences),
    runnersUp: answers.flatMap(({ runnersUp }) => runnersUp),
    startMs: answers[0]!.startMs,
    endMs: answers.at(-1)!.endMs,
  };
}

export type EncodePass = (pass: GPUComputePassEncoder, rows: number) => void;

/** What a pass dispatches, in parts. The name tells it from all others: what was encoded under it once may be submitted later. */
export interface PassWork {
  readonly name: string;
  readonly parts: readonly EncodePass[];
  /** Writes to the device what it needs, right before each submission. */
  readonly write?: () => void;
}

/** The passes of a submission: the first over `tokens` at `position`, each further one over one row at the next position. */
export interface Passes {
  /** The first one may be null: what is in its place on the device. */
  readonly tokens: readonly (number | null)[];
  /** With null, the one on the device. */
  readonly position: number | null;
  readonly steps: number;
  /** Rows from here on are in the strip; see cache-slot.wgsl. None are if not given. */
  readonly fork?: number;
  /** A pass that comes first, for what is taken from the device. */
  readonly before?: EncodePass;
  readonly work: PassWork | Promise<PassWork>;
  /** Tokens that a pass chooses. */
  readonly chosenRows: number;
}

/** So many submissions may be in flight in any case; another one may have to wait for the oldest. */
const IN_FLIGHT = 8;
/** Of how many kinds the next submission may be encoded before it is asked for. */
const SPARES = 8;
const STEP_BYTES = 16;
const NO_FORK = 2 ** 32 - 1;

/** Where an answer comes back. */
interface Slot {
  readonly staging: GPUBuffer;
  readonly resolved: GPUBuffer | null;
  readonly timestamps: GPUQuerySet | undefined;
}

type Encode = (encoder: GPUCommandEncoder, slot: Slot) => void;

interface Submission {
  /** Of all of a kind, the same is encoded. */
  readonly kind: string;
  /** Choices in its answer. */
  readonly chosen: number;
  /** The first one is sent by itself: the device begins with it while the host, which a pass takes about 0.7 ms to send, is busy with the rest. */
  readonly parts: readonly Encode[];
  readonly write?: () => void;
}

interface Encoded {
  readonly slot: Slot;
  readonly commands: readonly GPUCommandBuffer[];
}

/**
 * Turns passes of a model into submissions and their answers, in order. Chosen tokens come back through a few staging buffers; a step's
 * parameters are copied from a list that is written once a submission, so nothing is allocated. To encode a pass takes the host about 1 ms, so that is done
 * while the device is at work on one like it: the next one has only to be submitted.
 */
export class PassQueue {
  /** Of step.wgsl. */
  readonly step: GPUBuffer;
  /** The tokens that the next pass feeds; argmax.wgsl writes the last chosen one to its head. */
  readonly tokens: GPUBuffer;
  readonly chosen: GPUBuffer;
  readonly #device: Device;
  readonly #maxRows: number;
  readonly #maxChosen: number;
  /** A submission's steps, then its tokens. */
  readonly #input: GPUBuffer;
  readonly #inputData: Uint32Array<ArrayBuffer>;
  readonly #free: Slot[];
  /** Is to hear of the next free slot. */
  #waiting: ((slot: Slot) => void) | undefined;
  /** By kind, oldest first: encoded, but not asked for yet. */
  readonly #spares = new Map<string, Encoded>();
  #tail: Promise<unknown> = Promise.resolve();
  #lastEndMs = 0;
  #clockOffsetMs = Infinity;
  /** What submissions of a kind took at the least, in ms. */
  readonly #leastMs = new Map<string, number>();
  /** The kinds of the submissions in flight, oldest first. */
  readonly #inFlight: string[] = [];

  constructor(device: Device, maxRows: number, maxChosen: number) {
    this.#device = device;
    this.#maxRows = maxRows;
    this.#maxChosen = maxChosen;
    const { UNIFORM, STORAGE, COPY_DST } = GPUBufferUsage;
    this.step = device.buffer("step", STEP_BYTES, UNIFORM | STORAGE | COPY_DST);
    this.tokens = device.storage("tokens", maxRows * 4);
    this.chosen = device.storage("chosen", maxChosen * CHOICE_BYTES);
    this.#input = device.storage("input", maxChosen * STEP_BYTES + maxRows * 4);
    this.#inputData = new Uint32Array(this.#input.size / 4);
    this.#free = Array.from({ length: IN_FLIGHT + SPARES }, () => {
      const timestamps = device.timestamps(2);
      const usage = GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC;
      return {
        staging: device.buffer(
          "answer",
          16 + maxChosen * CHOICE_BYTES,
          GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
        ),
        resolved: timestamps ? device.buffer("timestamps", 16, usage) : null,
        timestamps,
      };
    });
  }

  /** Submits passes; answers what they chose. */
  run(passes: Passes): Promise<Answer> {
    const { tokens, steps, chosenRows } = passes;
    const rows = tokens.length;
    if (rows < 1 || rows > this.#maxRows || steps * chosenRows > this.#maxChosen) {
      throw new RangeError(
        `Cannot run ${rows} rows, ${steps} steps: at most ${this.#maxRows} rows, ${this.#maxChosen} steps`,
      );
    }
    return this.#enqueue(
      Promise.resolve(passes.work).then(({ name, parts, write }) => ({
        kind: [name, rows, steps, tokens[0] === null, passes.position === null].join(" "),
        chosen: steps * chosenRows,
        parts: this.#parts(passes, parts),
        write: () => {
          write?.();
          this.#write(passes);
        },
      })),
    );
  }

  /** Submits copies; they choose nothing. */
  copy(encode: (encoder: GPUCommandEncoder) => void): Promise<Answer> {
    return this.#enqueue({
      kind: "copy",
      chosen: 0,
      parts: [(encoder, slot) => {
        encoder.beginComputePass(timed(slot, true, false)).end();
        encode(encoder);
        encoder.beginComputePass(timed(slot, false, true)).end();
      }],
    });
  }

  #enqueue(submission: Submission | Promise<Submission>): Promise<Answer> {
    const submitted = Promise.all([submission, this.#tail]).then(([submission]) => this.#submit(submission));
    // A failed submission must not stop those behind it from failing by themselves.
    this.#tail = submitted.catch(() => {});
    return submitted.then((answer) => answer());
  }

  /** Returns what waits for the answer. */
  async #submit(submission: Submission): Promise<() => Promise<Answer>> {
    this.#device.check();
    const { kind, chosen, write } = submission;
    const spare = this.#spares.get(kind);
    this.#spares.delete(kind);
    const { slot, commands } = spare ?? this.#encode(submission, this.#free.pop() ?? await this.#freed());
    write?.();
    const submitMs = performance.now();
    for (const part of commands) this.#device.queue.submit([part]);
    countSubmission();
    // What came twice comes again.
    if (chosen > 0 && this.#leastMs.has(kind)) setTimeout(() => this.#encodeSpare(submission), 0);
    return () => this.#answer(slot, chosen, submitMs, kind).finally(() => this.#release(slot));
  }

  #freed(): Promise<Slot> {
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  #release(slot: Slot): void {
    if (!this.#waiting) this.#free.push(slot);
    this.#waiting?.(slot);
    this.#waiting = undefined;
  }

  #encodeSpare(submission: Submission): void {
    const { kind } = submission;
    if (this.#spares.has(kind)) return;
    if (this.#spares.size === SPARES) {
      const [[oldest, { slot }]] = [...this.#spares] as [[string, Encoded]];
      this.#spares.delete(oldest);
      this.#free.push(slot);
    }
    const slot = this.#free.pop();
    if (slot) this.#spares.set(kind, this.#encode(submission, slot));
  }

  #encode({ parts }: Submission, slot: Slot): Encoded {
    const [first, ...others] = parts;
    const answer: Encode = (encoder) => this.#encodeAnswer(encoder, slot);
    const sent = others.length > 0 ? [[first!], [...others, answer]] : [[first!, answer]];
    const commands = sent.map((parts) => {
      const encoder = this.#device.encoder();
      for (const encode of parts) encode(encoder, slot);
      return encoder.finish();
    });
    return { slot, commands };
  }

  #encodeAnswer(encoder: GPUCommandEncoder, { staging, resolved, timestamps }: Slot): void {
    if (timestamps) {
      encoder.resolveQuerySet(timestamps, 0, 2, resolved!, 0);
      encoder.copyBufferToBuffer(resolved!, 0, staging, 0, 16);
    }
    encoder.copyBufferToBuffer(this.chosen, 0, staging, 16, this.#maxChosen * CHOICE_BYTES);
  }

  /** Of all the passes. */
  #parts({ tokens, position, steps, before }: Passes, parts: readonly EncodePass[]): Encode[] {
    const rows = tokens.length;
    const copy = (encoder: GPUCommandEncoder, from: number, to: GPUBuffer, skip: number, bytes: number) => {
      if (skip < bytes) encoder.copyBufferToBuffer(this.#input, from + skip, to, skip, bytes - skip);
    };
    return Array.from({ length: steps }, (_, step) =>
      parts.map((encode, part): Encode => {
        const [isFirst, isLast] = [step === 0 && part === 0, step === steps - 1 && part === parts.length - 1];
        return (encoder, slot) => {
          if (isFirst && before) {
            const pass = encoder.beginComputePass();
            before(pass, 1);
            pass.end();
          }
          if (isFirst) copy(encoder, this.#tokensAt, this.tokens, tokens[0] === null ? 4 : 0, rows * 4);
          if (part === 0) copy(encoder, step * STEP_BYTES, this.step, position === null ? 4 : 0, STEP_BYTES);
          const pass = encoder.beginComputePass(timed(slot, isFirst, isLast));
          encode(pass, rows);
          pass.end();
        };
      })).flat();
  }

  #write({ tokens, position, steps, fork = NO_FORK, chosenRows }: Passes): void {
    const rows = tokens.length;
    for (let i = 0; i < steps; i++) {
      this.#inputData.set([(position ?? 0) + i, rows, i * chosenRows, fork], i * STEP_BYTES / 4);
    }
    this.#inputData.set(tokens.map((token) => token ?? 0), this.#tokensAt / 4);
    this.#device.queue.writeBuffer(this.#input, 0, this.#inputData, 0, this.#tokensAt / 4 + rows);
  }

  get #tokensAt(): number {
    return this.#maxChosen * STEP_BYTES;
  }

  async #answer(slot: Slot, count: number, submitMs: number, kind: string): Promise<Answer> {
    if (this.#inFlight.push(kind) === 1) this.#expectNext(submitMs);
    try {
      await slot.staging.mapAsync(GPUMapMode.READ);
    } catch (error) {
      this.#inFlight.shift();
      this.#expectNext(submitMs);
      this.#device.check();
      throw error;
    }
    const doneMs = performance.now();
    const bytes = slot.staging.getMappedRange();
    // A Choice (argmax.wgsl) is three words: token, confidence, second.
    const length = count * CHOICE_BYTES / 4;
    const [words, floats] = [new Uint32Array(bytes, 16, length), new Float32Array(bytes, 16, length)];
    const choices = Array.from({ length: count }, (_, i) => i * CHOICE_BYTES / 4);
    const tokens = choices.map((at) => words[at]!);
    const confidences = choices.map((at) => floats[at + 1]!);
    const runnersUp = choices.map((at) => words[at + 2]!);
    const times = slot.timestamps ? [...new BigUint64Array(bytes, 0, 2)].map((ns) => Number(ns) / 1e6) : null;
    slot.staging.unmap();
    this.#device.check();
    const { startMs, endMs } = this.#interval(times, submitMs, doneMs);
    this.#leastMs.set(kind, Math.min(this.#leastMs.get(kind) ?? Infinity, endMs - startMs));
    this.#inFlight.shift();
    this.#expectNext(endMs);
    return { tokens, confidences, runnersUp, startMs, endMs };
  }

  /** The oldest submission in flight is at work from `startMs` on. */
  #expectNext(startMs: number): void {
    const [kind] = this.#inFlight;
    expectAnswer(this, kind === undefined ? undefined : startMs + (this.#leastMs.get(kind) ?? 0));
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

/** A pass that notes when it begins, if it is a submission's first, and when it ends, if it is the last. */
function timed({ timestamps }: Slot, first: boolean, last: boolean): GPUComputePassDescriptor | undefined {
  if (!timestamps || !(first || last)) return undefined;
  return {
    timestampWrites: {
      querySet: timestamps,
      ...(first && { beginningOfPassWriteIndex: 0 }),
      ...(last && { endOfPassWriteIndex: 1 }),
    },
  };
}
