import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { GenerationRecord } from "../engine/generation-run.ts";

/** The bounds of histograms of times, in seconds: from a GPU's token to a long prompt on a CPU. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];

/** What counts up, by name. The names and what they mean are those of llama.cpp's server. */
const COUNTERS = {
  prompt_tokens_total: "Tokens of prompts that were fed.",
  prompt_tokens_cached_total: "Tokens of prompts that a KV cache held.",
  prompt_seconds_total: "Time from a turn's begin to the first token.",
  tokens_predicted_total: "Tokens generated.",
  tokens_predicted_seconds_total: "Time between the first token and the last.",
  n_decode_total: "Verifications.",
  n_tokens_max: "Most tokens of a text, prompt and answer.",
  spec_decode_num_drafts_total: "Answers that were drafted for.",
  spec_decode_num_draft_tokens_total: "Tokens drafted.",
  spec_decode_num_accepted_tokens_total: "Drafted tokens that were accepted.",
} as const;

/** What a server tells of itself at the moment. */
export interface Gauges {
  /** Requests that have the engine. */
  readonly processing: () => number;
  /** Requests that wait. */
  readonly deferred: () => number;
  /** Whether there is something to draft with. */
  readonly drafting: () => boolean;
}

/** The times of a request, in ms from any one beginning. */
export interface RequestTimes {
  readonly arrivedMs: number;
  readonly begunMs: number;
  readonly pieceMs: readonly number[];
}

/** The figures of a server in Prometheus's text format; all names have the same prefix. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #counters: Readonly<Record<keyof typeof COUNTERS, Counter>>;
  readonly #busyS: Counter<"lane">;
  readonly #idleS: Counter<"lane">;
  readonly #queueS: Histogram;
  readonly #firstTokenS: Histogram;
  readonly #betweenTokensS: Histogram;
  /** Sums of the counters, which can only be read asynchronously. */
  readonly #sums = { prompt: 0, promptS: 0, predicted: 0, predictedS: 0, most: 0 };

  constructor(prefix: string, { processing, deferred, drafting }: Gauges) {
    const registers = [this.#registry];
    this.#counters = Object.fromEntries(
      Object.entries(COUNTERS).map(([name, help]) => [name, new Counter({ name: prefix + name, help, registers })]),
    ) as Record<keyof typeof COUNTERS, Counter>;
    const gauge = (name: string, help: string, value: () => number) =>
      new Gauge({
        name: prefix + name,
        help,
        registers,
        collect() {
          this.set(value());
        },
      });
    const sums = this.#sums;
    gauge("prompt_tokens_seconds", "Tokens of prompts fed a second.", () => sums.prompt / sums.promptS || 0);
    gauge("predicted_tokens_seconds", "Tokens generated a second.", () => sums.predicted / sums.predictedS || 0);
    gauge("requests_processing", "Requests that the engine works on.", processing);
    gauge("requests_deferred", "Requests that wait.", deferred);
    gauge("n_busy_slots_per_decode", "Texts that a verification serves.", () => sums.predicted > 0 ? 1 : 0);
    gauge("drafting", "1 where there is something to draft with.", () => drafting() ? 1 : 0);
    const histogram = (name: string, help: string) =>
      new Histogram({ name: prefix + name, help, buckets: BUCKETS, registers });
    this.#queueS = histogram("request_queue_seconds", "Time from a request's arrival to its turn.");
    this.#firstTokenS = histogram("time_to_first_token_seconds", "Time from a request's turn to its first token.");
    this.#betweenTokensS = histogram("inter_token_seconds", "Time from one piece of an answer to the next.");
    const ofLane = { labelNames: ["lane"], registers } as const;
    this.#busyS = new Counter({ ...ofLane, name: `${prefix}lane_busy_seconds_total`, help: "Time a lane worked." });
    this.#idleS = new Counter({ ...ofLane, name: `${prefix}lane_idle_seconds_total`, help: "Time a lane waited." });
  }

  /** Takes in an answer that has ended. */
  add(record: GenerationRecord, { arrivedMs, begunMs, pieceMs }: RequestTimes): void {
    const { promptTokens, cachedTokens, tokens, ttftMs, msPerToken, drafted, accepted, verifications } = record;
    const add = (name: keyof typeof COUNTERS, value: number) => this.#counters[name].inc(value);
    const [fed, promptS] = [promptTokens.length - cachedTokens, (ttftMs ?? 0) / 1000];
    const predictedS = (msPerToken ?? 0) * Math.max(0, tokens.length - 1) / 1000;
    const sums = this.#sums;
    const most = Math.max(sums.most, promptTokens.length + tokens.length);
    add("prompt_tokens_total", fed);
    add("prompt_tokens_cached_total", cachedTokens);
    add("prompt_seconds_total", promptS);
    add("tokens_predicted_total", tokens.length);
    add("tokens_predicted_seconds_total", predictedS);
    add("n_decode_total", verifications);
    add("n_tokens_max", most - sums.most);
    add("spec_decode_num_drafts_total", drafted > 0 ? 1 : 0);
    add("spec_decode_num_draft_tokens_total", drafted);
    add("spec_decode_num_accepted_tokens_total", accepted);
    sums.prompt += fed;
    sums.promptS += promptS;
    sums.predicted += tokens.length;
    sums.predictedS += predictedS;
    sums.most = most;
    for (const { name: lane, busyMs, idleMs } of record.lanes) {
      this.#busyS.inc({ lane }, busyMs / 1000);
      this.#idleS.inc({ lane }, idleMs / 1000);
    }
    this.#queueS.observe((begunMs - arrivedMs) / 1000);
    pieceMs.forEach((ms, i) => {
      if (i === 0) this.#firstTokenS.observe((ms - begunMs) / 1000);
      else this.#betweenTokensS.observe((ms - pieceMs[i - 1]!) / 1000);
    });
  }

  /** All figures, as a scraper reads them. */
  async text(): Promise<string> {
    return await this.#registry.metrics();
  }

  /** The media type of the text. */
  get contentType(): string {
    return this.#registry.contentType;
  }
}
