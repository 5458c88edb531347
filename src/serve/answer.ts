import type { Generation } from "../engine/generation.ts";
import type { GenerationRecord, Piece } from "../engine/generation-run.ts";
import type { TokenLogprobs } from "../util/sampling.ts";
import { LaneLostError } from "../spec/lanes/lane.ts";
import { ApiError, promptTooLong } from "./api-error.ts";
import { EVENT_STREAM_HEADERS, eventStream, type ServerEvent } from "./events.ts";
import { choiceSeed, type GenerationRequest } from "./generation-request.ts";
import type { RequestWatch, Service } from "./service.ts";

/** How far a prompt is fed, as llama.cpp tells it (`return_progress` in tools/server/README.md). */
export interface PromptProgress {
  /** The prompt's tokens. */
  readonly total: number;
  /** Those that the KV cache held. */
  readonly cache: number;
  /** Those that are fed, the cached ones counted in. */
  readonly processed: number;
  /** Since the turn began. */
  readonly time_ms: number;
}

/** How a protocol writes what a request came to: whole, or as events while it comes. */
export interface Dialect {
  /** The answer's name, for the client and the log. */
  readonly id: string;
  /** The choice of that index begins; `scores` are those of its prompt's tokens, where they were asked for. */
  begin(index: number, scores: readonly TokenLogprobs[] | undefined): Iterable<ServerEvent>;
  /** The prompt of the choice of that index is fed so far. */
  progress(index: number, progress: PromptProgress): Iterable<ServerEvent>;
  /** Text of the choice of that index. */
  piece(index: number, piece: Piece): Iterable<ServerEvent>;
  /** The choice of that index has ended. */
  end(index: number, record: GenerationRecord): Iterable<ServerEvent>;
  /** All choices have ended. */
  done(records: readonly GenerationRecord[]): Iterable<ServerEvent>;
  /** The whole answer as JSON. */
  whole(records: readonly GenerationRecord[]): unknown;
}

/**
 * Answers a request, as soon as it has its turn. Throws an ApiError for prompts that don't fit, too many requests
 * before this one, and whatever ends a generation.
 */
export async function answer(
  service: Service,
  request: Request,
  asked: GenerationRequest,
  dialect: Dialect,
): Promise<Response> {
  for (const { tokens } of asked.prompts) {
    if (tokens.length >= service.context) throw promptTooLong(tokens.length, service.context);
  }
  const leave = new AbortController();
  const signal = AbortSignal.any([request.signal, leave.signal, ...service.timeout()]);
  const run = new RequestRun(service, asked, dialect.id, signal);
  const turn = service.turns.take(signal);
  // Whoever waits for the turn hears of its error.
  turn.catch(() => {});
  if (asked.stream) {
    const events = streamed(run, turn, dialect);
    return new Response(eventStream(events, () => leave.abort()), { headers: EVENT_STREAM_HEADERS });
  }
  for await (const { index, scores, progress, piece, record } of run.parts(turn)) {
    if (!progress && !piece && !record) Array.from(dialect.begin(index, scores));
  }
  return Response.json(dialect.whole(run.records));
}

async function* streamed(
  run: RequestRun,
  turn: Promise<() => void>,
  dialect: Dialect,
): AsyncGenerator<ServerEvent, void, undefined> {
  try {
    for await (const { index, scores, progress, piece, record } of run.parts(turn)) {
      if (progress) yield* dialect.progress(index, progress);
      else if (piece) yield* dialect.piece(index, piece);
      else if (record) yield* dialect.end(index, record);
      else yield* dialect.begin(index, scores);
    }
    yield* dialect.done(run.records);
  } catch (error) {
    yield { data: apiErrorOf(error).body };
  }
}

/**
 * What comes of a choice: as it begins its prompt's scores, if wanted, then how far the prompt is fed, then text, and
 * at its end the record.
 */
interface ChoicePart {
  readonly index: number;
  readonly scores?: readonly TokenLogprobs[];
  readonly progress?: PromptProgress;
  readonly piece?: Piece;
  readonly record?: GenerationRecord;
}

/** A request's choices, generated one after the other in one turn. */
class RequestRun {
  readonly records: GenerationRecord[] = [];
  readonly #service: Service;
  readonly #asked: GenerationRequest;
  readonly #watch: RequestWatch;
  readonly #signal: AbortSignal;

  constructor(service: Service, asked: GenerationRequest, id: string, signal: AbortSignal) {
    this.#service = service;
    this.#asked = asked;
    this.#watch = service.watch(id);
    this.#signal = signal;
  }

  async *parts(turn: Promise<() => void>): AsyncGenerator<ChoicePart, void, undefined> {
    const { prompts, choices, options, seed, scoresPrompts, returnProgress } = this.#asked;
    const [watch, signal] = [this.#watch, this.#signal];
    const end = await turn;
    try {
      const engine = await this.#service.ready();
      for (const { tokens } of prompts) {
        const scores = scoresPrompts ? await engine.score(tokens, options.logprobs!) : undefined;
        for (let choice = 0; choice < choices; choice++) {
          const index = this.records.length;
          watch.begin();
          yield { index, scores };
          const progress = new Progress();
          const generation = engine.generate(tokens, {
            ...options,
            ...options.temperature !== undefined && { seed: choiceSeed(seed, choice) },
            maxTokens: Math.min(options.maxTokens ?? Infinity, this.#service.context - tokens.length),
            signal,
            onPrefill: progress.tell,
          });
          for await (const part of returnProgress ? progress.before(generation) : generation) {
            if ("processed" in part) yield { index, progress: part };
            else {
              watch.piece(part);
              yield { index, piece: part };
            }
          }
          const record = await generation.record;
          this.records.push(record);
          watch.end(record);
          signal.throwIfAborted();
          yield { index, record };
        }
      }
    } catch (error) {
      if (error instanceof LaneLostError) this.#service.deviceLost();
      throw error;
    } finally {
      end();
    }
  }
}

/** Hands on how far a prompt is fed, from the engine that tells it to the stream that waits for a piece. */
class Progress {
  readonly #beginMs = performance.now();
  readonly #told: PromptProgress[] = [];
  #total = 0;
  #cache: number | undefined;
  #wake: () => void = () => {};

  /** For the engine's `onPrefill`. */
  readonly tell = (processed: number, total: number): void => {
    this.#cache ??= processed;
    this.#total = total;
    // The prompt's last token is fed for the first piece, which tells that all of it is fed.
    if (processed < total - 1 || processed === this.#cache) this.#told.push(this.#at(processed));
    this.#wake();
  };

  /** A generation's pieces, and before them what is told of its prompt. */
  async *before(generation: Generation): AsyncGenerator<PromptProgress | Piece, void, undefined> {
    const pieces = generation[Symbol.asyncIterator]();
    try {
      let came = false;
      const first = pieces.next().finally(() => {
        came = true;
        this.#wake();
      });
      // Whoever waits for the piece hears of its error.
      first.catch(() => {});
      for (;;) {
        while (this.#told.length > 0) yield this.#told.shift()!;
        if (came) break;
        await new Promise<void>((resolve) => this.#wake = resolve);
      }
      let { done, value } = await first;
      if (!done) yield this.#at(this.#total);
      for (; !done; ({ done, value } = await pieces.next())) yield value!;
    } finally {
      await pieces.return();
    }
  }

  #at(processed: number): PromptProgress {
    const time_ms = Math.round(performance.now() - this.#beginMs);
    return { total: this.#total, cache: this.#cache!, processed, time_ms };
  }
}

/** What is thrown while a request is answered, as the client hears of it: without a path, a prompt or a stack. */
export function apiErrorOf(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof LaneLostError) {
    return new ApiError(503, "unavailable_error", "the device was lost; send the request again later");
  }
  if (error instanceof DOMException && error.name === "TimeoutError") {
    return new ApiError(504, "server_error", "the answer took longer than the server allows; ask for fewer tokens");
  }
  if (error instanceof DOMException && error.name === "AbortError") {
    return new ApiError(400, "invalid_request_error", "the client left before the answer was there");
  }
  if (error instanceof RangeError) {
    return new ApiError(400, "invalid_request_error", error.message);
  }
  return new ApiError(500, "server_error", "the server failed; its log says how");
}
