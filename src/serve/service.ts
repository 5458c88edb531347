import type { Engine } from "../engine/engine.ts";
import type { GenerationRecord, Piece } from "../engine/generation-run.ts";
import { ApiError } from "./api-error.ts";
import { Metrics } from "./metrics.ts";
import { Turns } from "./turns.ts";

/** How a server behaves, all of it as a flag of `amusd serve` has it. */
export interface ServiceOptions {
  /** The model's name in answers; default: its file's name. */
  readonly alias?: string;
  /** Requests that may wait for their turn; default 64. */
  readonly queue?: number;
  /** The longest that an answer may take, its wait included, in seconds; default: as long as it takes. */
  readonly timeoutS?: number;
  /** What the names of the metrics begin with; default "amusd:". */
  readonly metricsPrefix?: string;
  /** Takes one line for each request that was answered; default: none. */
  readonly log?: (line: string) => void;
  /** Loads the models anew, once, after their device was lost; default: the server then answers nothing any more. */
  readonly reload?: () => Promise<Engine>;
}

/** A guess at an answer's length, for how long one more request waits, before there was any. */
const FIRST_GUESS_S = 5;

/** Whether an engine answers: it does, it is loaded anew after its device was lost, or it won't any more. */
export type ServiceStatus = "ok" | "restarting" | "lost";

/** An engine that answers requests, and what is known of how it does. */
export class Service {
  readonly turns: Turns;
  readonly metrics: Metrics;
  /** The model's name in answers. */
  readonly model: string;
  /** The name of the model's file, without its folder, which is nobody's business. */
  readonly file: string;
  /** What computes: the same for two servers whose texts are the same. OpenAI's `system_fingerprint`. */
  readonly fingerprint: string;
  /** When the service began, in seconds since 1970. */
  readonly created: number = Math.floor(Date.now() / 1000);
  readonly #options: ServiceOptions;
  #engine: Engine;
  #status: ServiceStatus = "ok";
  #restart: Promise<void> | undefined;
  #meanAnswerS = FIRST_GUESS_S;

  constructor(engine: Engine, options: ServiceOptions) {
    this.#engine = engine;
    this.#options = options;
    this.file = engine.models.verify!.replace(/^.*[\\/]/, "");
    this.model = options.alias ?? this.file;
    this.fingerprint = `b${hashOf([this.model, engine.variants.verify!, engine.devices.verify!].join("\n"))}`;
    this.turns = new Turns(options.queue ?? 64, (ahead) => Math.max(1, Math.ceil(ahead * this.#meanAnswerS)));
    this.metrics = new Metrics(options.metricsPrefix ?? "amusd:", {
      processing: () => this.turns.running,
      deferred: () => this.turns.waiting,
      drafting: () => this.engine.drafts,
    });
  }

  get engine(): Engine {
    return this.#engine;
  }

  get status(): ServiceStatus {
    return this.#status;
  }

  /** Waits for an engine that is being loaded anew. Throws an ApiError (503) where none answers any more. */
  async ready(): Promise<Engine> {
    await this.#restart;
    if (this.#status === "ok") return this.#engine;
    throw new ApiError(503, "unavailable_error", "the device was lost; start the server again");
  }

  /** The verify model's device is gone: a new engine takes the place of the old one, if that was the first time. */
  deviceLost(): void {
    const { reload, log } = this.#options;
    if (this.#restart || !reload) {
      this.#status = "lost";
      return;
    }
    this.#status = "restarting";
    this.#restart = (async () => {
      try {
        await this.#engine.close().catch(() => {});
        this.#engine = await reload();
        this.#status = "ok";
      } catch (error) {
        this.#status = "lost";
        log?.(`failed to load the models anew: ${(error as Error).message.split("\n")[0]}`);
      }
    })();
  }

  /** Positions of the KV cache. */
  get context(): number {
    return this.engine.context;
  }

  /** The signal that ends an answer that takes too long, if there is such a limit. */
  timeout(): AbortSignal[] {
    const { timeoutS } = this.#options;
    return timeoutS === undefined ? [] : [AbortSignal.timeout(1000 * timeoutS)];
  }

  /** Watches a request from its arrival on. */
  watch(id: string): RequestWatch {
    return new RequestWatch(id, this.metrics, (seconds) => {
      // The newest answers count most.
      this.#meanAnswerS += (seconds - this.#meanAnswerS) / 4;
    }, this.#options.log);
  }
}

/** Times a request, for the metrics and the log. */
export class RequestWatch {
  readonly #id: string;
  readonly #metrics: Metrics;
  readonly #onEnd: (seconds: number) => void;
  readonly #log: ((line: string) => void) | undefined;
  readonly #arrivedMs = performance.now();
  #begunMs = 0;
  #pieceMs: number[] = [];

  constructor(
    id: string,
    metrics: Metrics,
    onEnd: (seconds: number) => void,
    log: ((line: string) => void) | undefined,
  ) {
    this.#id = id;
    this.#metrics = metrics;
    this.#onEnd = onEnd;
    this.#log = log;
  }

  /** A choice begins. */
  begin(): void {
    this.#begunMs = performance.now();
    this.#pieceMs = [];
  }

  piece({ tokens }: Piece): void {
    if (tokens.length > 0) this.#pieceMs.push(performance.now());
  }

  /** A choice has ended. */
  end(record: GenerationRecord): void {
    const [arrivedMs, begunMs] = [this.#arrivedMs, this.#begunMs];
    this.#metrics.add(record, { arrivedMs, begunMs, pieceMs: this.#pieceMs });
    const seconds = (performance.now() - begunMs) / 1000;
    this.#onEnd(seconds);
    const { promptTokens, cachedTokens, tokens, accepted, drafted, finishReason } = record;
    this.#log?.(
      `${this.#id} ${promptTokens.length} tokens (${cachedTokens} cached), ${tokens.length} written in ` +
        `${Math.round(1000 * seconds)} ms, ${accepted} of ${drafted} drafted accepted, ${finishReason}`,
    );
  }
}

/** FNV-1a of 32 bits, as hexadecimal digits: a name, no secret. */
function hashOf(text: string): string {
  let hash = 0x811c9dc5;
  for (const char of text) hash = Math.imul(hash ^ char.codePointAt(0)!, 0x01000193);
  return (hash >>> 0).toString(16).padStart(8, "0");
}
