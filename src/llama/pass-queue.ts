import type { Device } from "../gpu/device.ts";
import { countSubmission } from "../gpu/garbage.ts";
import { expectAnswer } from "../gpu/poll-shim.ts";
import { CHOSEN_BYTES } from "../kernels/sampling/argmax.ts";
import { LOGPROBS_BYTES, readLogprobs } from "../kernels/sampling/logprobs.ts";
import type { LaneResult } from "../spec/lanes/lane.ts";
import { AnswerForecast } from "./answer-forecast.ts";
import { CommandCache, type Encoded } from "./command-cache.ts";
import { DeviceClock } from "./device-clock.ts";
import { type EncodePass, Interner, type PassShape } from "./pass-shape.ts";

/** The result of several submissions, one behind the other. */
export function joinResults(results: readonly LaneResult[]): LaneResult {
  return {
    tokens: results.flatMap(({ tokens }) => tokens),
    confidences: results.flatMap(({ confidences }) => confidences),
    runnersUp: results.flatMap(({ runnersUp }) => runnersUp),
    ...results[0]!.logprobs && { logprobs: results.flatMap(({ logprobs = [] }) => logprobs) },
    startMs: results[0]!.startMs,
    endMs: results.at(-1)!.endMs,
  };
}

/** The kernels of a pass. */
export interface PassWork {
  /** Parts of the pass; the same array for the same kernels, since it tells what can be encoded ahead. */
  readonly parts: readonly EncodePass[];
  /** Writes to the device what the kernels need, right before each submission. */
  readonly write?: () => void;
  /** Where the kernels leave log-probabilities, and how many of the likeliest tokens are wanted of them. */
  readonly logprobs?: { readonly buffer: GPUBuffer; readonly top: number } | null;
}

/**
 * The passes of a submission: the first over `tokens` at `position`; after one of a single row come others, each over
 * the token that the one before chose, at the next position.
 */
export interface Passes {
  /** The first one may be null: the token that is in its place on the device. */
  readonly tokens: readonly (number | null)[];
  /** null: the position that is on the device. */
  readonly position: number | null;
  readonly steps: number;
  /** Rows from this position on lie in the branch slots (see cache-slot.wgsl); by default none do. */
  readonly fork?: number;
  /** A pass that comes first and works out what is taken from the device; the same function for the same kernels. */
  readonly before?: EncodePass;
  readonly work: PassWork | Promise<PassWork>;
  /** Tokens that a pass chooses. */
  readonly chosenRows: number;
}

/** Encodes copies between buffers and textures. */
type EncodeCopies = (encoder: GPUCommandEncoder) => void;

/** Staging slots reserved for submissions in flight; beyond them, a submission waits for the oldest. */
const IN_FLIGHT = 8;
/** Submissions that may be kept encoded ahead, one of a kind. */
const SPARES = 8;
/** Bytes of a Step (step.wgsl). */
const STEP_BYTES = 16;
/** Bytes of the two timestamps in front of the chosen tokens in a staging buffer. */
const TIMES_BYTES = 16;
/** The fork of a pass without rows in the branch slots: no position comes to it. */
const NO_FORK = 2 ** 32 - 1;

/** Where the answer to a submission comes back. */
interface Slot {
  readonly staging: GPUBuffer;
  readonly resolved: GPUBuffer | null;
  readonly timestamps: GPUQuerySet | undefined;
}

interface Submission {
  /** Submissions of a kind take about the same time. */
  readonly kind: object;
  /** Tokens in its answer. */
  readonly chosen: number;
  /** How many of the likeliest tokens come with each; none where undefined. */
  readonly top?: number;
  readonly encoded: () => Promise<Encoded<Slot>>;
  readonly write?: () => void;
  /** Encodes the next one of its kind. */
  readonly encodeNext?: () => void;
}

/**
 * Turns passes of a model into submissions and their results, in order. Chosen tokens come back through a few staging
 * buffers, and a step's parameters are copied from a list that is written once for each submission, so nothing is
 * allocated. While the device is at work, the next submission of a kind that came twice is encoded.
 */
export class PassQueue {
  /** The uniform of step.wgsl. */
  readonly step: GPUBuffer;
  /** The tokens that the next pass feeds; argmax.wgsl writes the last chosen one to its head. */
  readonly tokens: GPUBuffer;
  readonly chosen: GPUBuffer;
  /** The most rows of a pass. */
  readonly maxRows: number;
  readonly #device: Device;
  readonly #maxChosen: number;
  /** A submission's steps, then its tokens. */
  readonly #input: GPUBuffer;
  readonly #inputData: Uint32Array<ArrayBuffer>;
  readonly #shapes = new Interner<PassShape>();
  readonly #commands: CommandCache<PassShape, Slot>;
  readonly #copyKind = {};
  readonly #clock = new DeviceClock();
  readonly #forecast = new AnswerForecast((atMs) => expectAnswer(this, atMs));
  #tail: Promise<unknown> = Promise.resolve();

  /** A pass takes at most `maxRows` rows, a submission chooses at most `maxChosen` tokens. */
  constructor(device: Device, maxRows: number, maxChosen: number) {
    this.#device = device;
    this.maxRows = maxRows;
    this.#maxChosen = maxChosen;
    const { UNIFORM, STORAGE, COPY_DST } = GPUBufferUsage;
    this.step = device.buffer("step", STEP_BYTES, UNIFORM | STORAGE | COPY_DST);
    this.tokens = device.storage("tokens", maxRows * 4);
    this.chosen = device.storage("chosen", maxChosen * CHOSEN_BYTES);
    this.#input = device.storage("input", maxChosen * STEP_BYTES + maxRows * 4);
    this.#inputData = new Uint32Array(this.#input.size / 4);
    const slots = Array.from({ length: IN_FLIGHT + SPARES }, () => createSlot(device, maxChosen));
    this.#commands = new CommandCache(slots, SPARES, (shape, slot) => this.#encode(shape, slot));
  }

  /** Submits passes. Throws a RangeError for more rows or steps than they can have. */
  run(passes: Passes): Promise<LaneResult> {
    const { tokens, position, steps, before = null, chosenRows } = passes;
    const rows = tokens.length;
    if (rows < 1 || rows > this.maxRows || steps * chosenRows > this.#maxChosen) {
      throw new RangeError(
        `Cannot run ${rows} rows, ${steps} steps: at most ${this.maxRows} rows, ${this.#maxChosen} steps`,
      );
    }
    return this.#enqueue(
      Promise.resolve(passes.work).then(({ parts, write, logprobs }) => {
        const keeps = { keepsToken: tokens[0] === null, keepsPosition: position === null };
        const shape = this.#shapes.of({ parts, before, rows, steps, ...keeps, logprobs: logprobs?.buffer ?? null });
        return {
          kind: shape,
          chosen: steps * chosenRows,
          top: logprobs?.top,
          encoded: () => this.#commands.take(shape),
          write: () => {
            write?.();
            this.#write(passes);
          },
          // Nobody waits for a prefill, which chooses nothing.
          encodeNext: chosenRows > 0 ? () => this.#commands.prepare(shape) : undefined,
        };
      }),
    );
  }

  /** Submits copies, which choose nothing. */
  copy(encode: EncodeCopies | Promise<EncodeCopies>): Promise<LaneResult> {
    return this.#enqueue(
      Promise.resolve(encode).then((encode) => ({
        kind: this.#copyKind,
        chosen: 0,
        encoded: async () => {
          const slot = await this.#commands.takeSlot();
          const encoder = this.#device.encoder();
          encoder.beginComputePass(timed(slot, true, false)).end();
          encode(encoder);
          encoder.beginComputePass(timed(slot, false, true)).end();
          this.#encodeAnswer(encoder, slot, null);
          return { slot, commands: [encoder.finish()] };
        },
      })),
    );
  }

  #enqueue(submission: Submission | Promise<Submission>): Promise<LaneResult> {
    const submitted = Promise.all([submission, this.#tail]).then(([submission]) => this.#submit(submission));
    // A failed submission must neither stop those behind it nor let them overtake those before it.
    this.#tail = Promise.allSettled([this.#tail, submitted]);
    return submitted.then((answer) => answer());
  }

  /** Returns the function that waits for the answer. */
  async #submit({ kind, chosen, top, encoded, write, encodeNext }: Submission): Promise<() => Promise<LaneResult>> {
    this.#device.check();
    const { slot, commands } = await encoded();
    write?.();
    const submitMs = performance.now();
    for (const part of commands) this.#device.queue.submit([part]);
    countSubmission();
    // A kind that came twice comes again.
    if (encodeNext && this.#forecast.knows(kind)) setTimeout(encodeNext, 0);
    return () => this.#answer(slot, chosen, top, submitMs, kind).finally(() => this.#commands.release(slot));
  }

  /**
   * Encodes passes. The first part of several is a command buffer of its own: the device begins with it while the host,
   * which takes about 0.7 ms to send a pass, is busy with the rest.
   */
  #encode(shape: PassShape, slot: Slot): GPUCommandBuffer[] {
    const { parts, before, rows, steps, keepsToken, keepsPosition, logprobs } = shape;
    const commands: GPUCommandBuffer[] = [];
    let encoder = this.#device.encoder();
    if (before) {
      const pass = encoder.beginComputePass();
      before(pass, 1);
      pass.end();
    }
    this.#copyInput(encoder, this.#tokensAt, this.tokens, rows * 4, keepsToken);
    for (let step = 0; step < steps; step++) {
      this.#copyInput(encoder, step * STEP_BYTES, this.step, STEP_BYTES, keepsPosition);
      for (const [part, encode] of parts.entries()) {
        const [isFirst, isLast] = [step === 0 && part === 0, step === steps - 1 && part === parts.length - 1];
        const pass = encoder.beginComputePass(timed(slot, isFirst, isLast));
        encode(pass, rows);
        pass.end();
        if (!isFirst || isLast) continue;
        commands.push(encoder.finish());
        encoder = this.#device.encoder();
      }
    }
    this.#encodeAnswer(encoder, slot, logprobs);
    return [...commands, encoder.finish()];
  }

  /** Copies `bytes` bytes of the input to `to`; where `keepsFirst`, not the first word. */
  #copyInput(encoder: GPUCommandEncoder, from: number, to: GPUBuffer, bytes: number, keepsFirst: boolean): void {
    const skip = keepsFirst ? 4 : 0;
    if (skip < bytes) encoder.copyBufferToBuffer(this.#input, from + skip, to, skip, bytes - skip);
  }

  #encodeAnswer(
    encoder: GPUCommandEncoder,
    { staging, resolved, timestamps }: Slot,
    logprobs: GPUBuffer | null,
  ): void {
    if (timestamps) {
      encoder.resolveQuerySet(timestamps, 0, 2, resolved!, 0);
      encoder.copyBufferToBuffer(resolved!, 0, staging, 0, TIMES_BYTES);
    }
    encoder.copyBufferToBuffer(this.chosen, 0, staging, TIMES_BYTES, this.#maxChosen * CHOSEN_BYTES);
    if (!logprobs) return;
    encoder.copyBufferToBuffer(logprobs, 0, staging, this.#logprobsAt, this.#maxChosen * LOGPROBS_BYTES);
  }

  #write({ tokens, position, steps, fork = NO_FORK, chosenRows }: Passes): void {
    const rows = tokens.length;
    for (let i = 0; i < steps; i++) {
      this.#inputData.set([(position ?? 0) + i, rows, i * chosenRows, fork], i * STEP_BYTES / 4);
    }
    this.#inputData.set(tokens.map((token) => token ?? 0), this.#tokensAt / 4);
    this.#device.queue.writeBuffer(this.#input, 0, this.#inputData, 0, this.#tokensAt / 4 + rows);
  }

  /** Where in a staging buffer the log-probabilities begin, in bytes. */
  get #logprobsAt(): number {
    return TIMES_BYTES + this.#maxChosen * CHOSEN_BYTES;
  }

  /** Where in the input the tokens begin, in bytes. */
  get #tokensAt(): number {
    return this.#maxChosen * STEP_BYTES;
  }

  async #answer(
    slot: Slot,
    count: number,
    top: number | undefined,
    submitMs: number,
    kind: object,
  ): Promise<LaneResult> {
    this.#forecast.sent(kind, submitMs);
    try {
      await slot.staging.mapAsync(GPUMapMode.READ);
      const doneMs = performance.now();
      const { deviceMs, ...chosen } = readAnswer(slot, count, top, this.#logprobsAt);
      this.#device.check();
      const { startMs, endMs } = this.#clock.interval(deviceMs, submitMs, doneMs);
      this.#forecast.answered(startMs, endMs);
      return { ...chosen, startMs, endMs };
    } catch (error) {
      this.#forecast.failed(submitMs);
      this.#device.check();
      throw error;
    }
  }
}

function createSlot(device: Device, maxChosen: number): Slot {
  const { QUERY_RESOLVE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
  const timestamps = device.timestamps(2);
  return {
    staging: device.buffer(
      "answer",
      TIMES_BYTES + maxChosen * (CHOSEN_BYTES + LOGPROBS_BYTES),
      MAP_READ | COPY_DST,
    ),
    resolved: timestamps ? device.buffer("timestamps", TIMES_BYTES, QUERY_RESOLVE | COPY_SRC) : null,
    timestamps,
  };
}

/**
 * Reads a mapped slot, and unmaps it: `count` chosen tokens, their log-probabilities with the `top` likeliest tokens if
 * that is given, and when the device began and ended by its own clock.
 */
function readAnswer({ staging, timestamps }: Slot, count: number, top: number | undefined, logprobsAt: number) {
  const bytes = staging.getMappedRange();
  // A Chosen (chosen.wgsl) is three words: token, confidence, runner-up.
  const length = count * CHOSEN_BYTES / 4;
  const [words, floats] = [new Uint32Array(bytes, TIMES_BYTES, length), new Float32Array(bytes, TIMES_BYTES, length)];
  const starts = Array.from({ length: count }, (_, i) => i * CHOSEN_BYTES / 4);
  const answer = {
    tokens: starts.map((at) => words[at]!),
    confidences: starts.map((at) => floats[at + 1]!),
    runnersUp: starts.map((at) => words[at + 2]!),
    ...top !== undefined && { logprobs: readLogprobs(bytes, logprobsAt, count, top) },
    deviceMs: timestamps ? deviceTimes(bytes) : null,
  };
  staging.unmap();
  return answer;
}

function deviceTimes(bytes: ArrayBuffer): readonly [begin: number, end: number] {
  const [begin, end] = new BigUint64Array(bytes, 0, 2);
  return [Number(begin!) / 1e6, Number(end!) / 1e6];
}

/** A pass that notes when it begins, if it is a submission's first, and when it ends, if it is the last. */
function timed({ timestamps }: Slot, isFirst: boolean, isLast: boolean): GPUComputePassDescriptor | undefined {
  if (!timestamps || !(isFirst || isLast)) return undefined;
  return {
    timestampWrites: {
      querySet: timestamps,
      ...(isFirst && { beginningOfPassWriteIndex: 0 }),
      ...(isLast && { endOfPassWriteIndex: 1 }),
    },
  };
}
