import type { Sampling } from "../util/sampling.ts";
import { TextStream } from "../tokenizer/text-stream.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { amusd } from "../spec/strategies/amusd.ts";
import { RealClock } from "../spec/clock.ts";
import type { Estimates } from "../spec/schedule/estimates.ts";
import { greedy } from "../spec/strategies/greedy.ts";
import { greedyCost } from "../spec/trace/greedy-cost.ts";
import { type Lane, MAX_ROWS } from "../spec/lanes/lane.ts";
import { isLaunchName, type LaunchName, type LaunchRule, launchRuleOf } from "../spec/schedule/launch-rule.ts";
import { samplingOf, type SamplingOptions } from "./sampling-options.ts";
import { Scheduler } from "../spec/schedule/scheduler.ts";
import { sd } from "../spec/strategies/sd.ts";
import type { Strategy } from "../spec/strategies/strategy.ts";
import type { Summary } from "../spec/trace/summary.ts";
import { type CommittedToken, TokenLog } from "../spec/token-log.ts";
import { Trace } from "../spec/trace/trace.ts";
import type { TraceEvent } from "../spec/trace/trace-events.ts";

export const STRATEGIES = { greedy, sd, amusd } as const satisfies Record<string, Strategy>;
export type StrategyName = keyof typeof STRATEGIES;

export interface GenerationOptions {
  /** Default: amusd with a draft model, greedy without. */
  readonly strategy?: StrategyName;
  /** Default 256. */
  readonly maxNewTokens?: number;
  /** Tokens that `sd` drafts at a time; default 5. */
  readonly lookahead?: number;
  /** Draw tokens at random; by default the likeliest one is taken. */
  readonly sampling?: SamplingOptions;
  /** When `amusd` starts a verification, and with how much; default "adaptive". */
  readonly launch?: LaunchName;
  /** Whether `amusd`'s draft goes on from second choices too while a verification is in flight; default true. */
  readonly hedge?: boolean;
  /** Text that ends the answer, and is not part of it. */
  readonly stop?: readonly string[];
  /** The prompt is the text itself, not a message for the chat template. */
  readonly raw?: boolean;
  /** An AbortSignal: once it is aborted, the generation ends. */
  readonly signal?: { readonly aborted: boolean };
  /** Whether the run's events are kept for `events` and the record (the default), or each is given away as soon as nothing more will become of it. */
  readonly trace?: "keep" | "off" | ((event: TraceEvent) => void);
  /** Hears, while the verify model is fed the prompt, how many of its tokens are. */
  readonly onPrefill?: (fed: number, promptTokens: number) => void;
  /** Takes one line when the draft device is lost; default: stderr. */
  readonly warn?: (message: string) => void;
}

/** Text as it is committed, and the tokens that came with it. Some of their characters may still be held back. */
export interface Piece {
  readonly text: string;
  readonly tokens: readonly CommittedToken[];
}

/** Why a generation ended: an end-of-text token, a stop string, maxNewTokens, a full context, its signal, its consumer, an error. */
export type FinishReason = "eos" | "stop" | "length" | "context" | "abort" | "return" | "error";

/** All of a generation, as `--json` prints it; figures as in Summary. */
export interface GenerationRecord extends Omit<Summary, "promptTokens" | "tokens"> {
  readonly strategy: StrategyName;
  /** null: the likeliest tokens. */
  readonly sampling: Sampling | null;
  /** By lane. */
  readonly models: Readonly<Record<string, string>>;
  readonly devices: Readonly<Record<string, string>>;
  /** Which variant of the kernels: it sets the order of summation, so near-ties, and with them the text, may depend on it. */
  readonly variants: Readonly<Record<string, string>>;
  readonly promptTokens: readonly number[];
  readonly tokens: readonly number[];
  readonly text: string;
  readonly finishReason: FinishReason;
  /**
   * What the verify lane takes for a token by itself, in ms, by the calibration, this run and those before on its
   * devices; null for `greedy`, and where too little was measured, or it does not agree. Where both lanes compute on the CPU it is measured
   * on the verify lane's share of the cores: an engine without a draft model has all of them.
   */
  readonly greedyMsPerToken: number | null;
  /** How many times as fast as that the run was; null where it is too short to tell. */
  readonly speedup: number | null;
  readonly events: readonly TraceEvent[];
}

export interface GenerationSource {
  readonly tokenizer: Tokenizer;
  readonly prompt: readonly number[];
  readonly verify: Lane;
  readonly draft: Lane | undefined;
  readonly estimates: Estimates;
  /** The launch rule that learns. */
  readonly adaptive: LaunchRule;
  readonly models: GenerationRecord["models"];
  readonly devices: GenerationRecord["devices"];
  readonly variants: GenerationRecord["variants"];
  /** Tells, as the run begins, how many of the prompt's first tokens each lane's cache holds. */
  readonly onStart: () => { readonly verify: number; readonly draft: number };
  readonly onEnd: () => void;
}

/** A speed-up over fewer tokens says little: the first ones come one by one, and a verification is a large part. */
const LEAST_TOKENS = 16;
/** Throws a RangeError unless there is a prompt, and room for an answer behind it in a context of so many positions. */
export function assertPromptFits(promptTokens: number, context: number): void {
  if (promptTokens >= 1 && promptTokens < context) return;
  throw new RangeError(
    `Cannot generate after a prompt of ${promptTokens} tokens: the context has ${context} positions, one of them or more ` +
      "for the answer; give a prompt that fits, or a larger context",
  );
}

/** One answer: iterate over it, once. Its text and tokens are the same for every strategy. */
export class Generation implements AsyncIterable<Piece> {
  readonly strategy: StrategyName;
  readonly sampling: Sampling | null;
  /** Settles when the generation has ended, in whatever way; never rejects. */
  readonly ended: Promise<void>;
  readonly #source: GenerationSource;
  readonly #options: GenerationOptions;
  readonly #stream: TextStream;
  readonly #trace: Trace;
  readonly #tokens: number[] = [];
  #text = "";
  #finishReason: FinishReason = "return";
  #draftLost = false;
  /** Once the run has ended: later ones measure on. */
  #greedyMs: number | null = null;
  #started = false;
  #end!: () => void;

  /**
   * Throws a RangeError for an option or a prompt token out of range, and a TypeError for a strategy that needs a draft
   * model.
   */
  constructor(source: GenerationSource, options: GenerationOptions) {
    const { strategy = source.draft ? "amusd" : "greedy", lookahead = 5, maxNewTokens = 256 } = options;
    if (!Number.isInteger(lookahead) || lookahead < 1 || lookahead >= MAX_ROWS) {
      throw new RangeError(`Cannot draft ${lookahead} tokens at a time: the lookahead is 1 to ${MAX_ROWS - 1}`);
    }
    if (options.launch !== undefined && !isLaunchName(options.launch)) {
      throw new RangeError(
        `Cannot launch by "${options.launch}": the rules are adaptive, published and fixed:1 to fixed:${MAX_ROWS - 1}`,
      );
    }
    if (!Number.isInteger(maxNewTokens) || maxNewTokens < 1) {
      throw new RangeError(`Cannot generate ${maxNewTokens} tokens: a whole number of 1 or more is wanted`);
    }
    if (strategy !== "greedy" && !source.draft) {
      throw new TypeError(`Cannot decode by "${strategy}": there is no draft model; load one, or use "greedy"`);
    }
    assertPromptFits(source.prompt.length, source.verify.capacity);
    const { vocabulary } = source.tokenizer;
    const stray = source.prompt.find((token) => !Number.isInteger(token) || token < 0 || token >= vocabulary);
    if (stray !== undefined) {
      throw new RangeError(`Cannot generate after token ${stray}: the vocabulary has ${vocabulary} tokens, from 0 on`);
    }
    this.#stream = new TextStream(source.tokenizer, { stop: options.stop ?? [] });
    this.strategy = strategy;
    this.sampling = options.sampling ? samplingOf(options.sampling) : null;
    this.#source = source;
    this.#options = options;
    const { trace = "keep" } = options;
    this.#trace = new Trace(new RealClock(), trace === "keep", typeof trace === "function" ? trace : undefined);
    this.ended = new Promise((resolve) => this.#end = resolve);
  }

  get text(): string {
    return this.#text;
  }

  get tokens(): readonly number[] {
    return this.#tokens;
  }

  get events(): readonly TraceEvent[] {
    return this.#trace.events;
  }

  /** How many of `text` the lane's cache holds; see the function of that name. */
  cachedLength(lane: string, text: readonly number[]): number {
    return this.#trace.cachedLength(lane, text);
  }

  get draftLost(): boolean {
    return this.#draftLost;
  }

  /** Throws an Error if iterated over before. A lost verify device ends it with a LaneLostError, after all text. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Piece, void, undefined> {
    if (this.#started) throw new Error("Cannot iterate over a generation twice: generate anew");
    this.#started = true;
    const cached = this.#source.onStart();
    const { tokenizer, prompt, verify } = this.#source;
    const draft = this.strategy === "greedy" ? undefined : this.#source.draft;
    const {
      maxNewTokens = 256,
      lookahead = 5,
      launch = "adaptive",
      hedge = true,
      signal,
      onPrefill,
      warn = console.error,
    } = this.#options;
    const stream = this.#stream;
    // By the same noise on both lanes: where the models agree, so do their draws.
    for (const lane of [verify, draft]) lane?.sample(this.sampling);
    try {
      const batches = STRATEGIES[this.strategy]({
        log: new TokenLog(prompt),
        lanes: { verify, draft, cached },
        limits: { maxNewTokens, eosIds: [...tokenizer.eosIds], signal },
        drafting: { lookahead, hedge },
        scheduler: new Scheduler(this.#source.estimates, launchRuleOf(launch, this.#source.adaptive), this.#trace),
        onPrefill,
        warn: (message) => {
          this.#draftLost = true;
          warn(message);
        },
      });
      try {
        for await (const batch of batches) {
          yield this.#take(batch);
          if (stream.stopped) break;
        }
        this.#finishReason = this.#finishReasonOf(maxNewTokens);
      } catch (error) {
        this.#finishReason = "error";
        throw error;
      } finally {
        // An error must not cost the text that was held back before it.
        const rest = stream.flush();
        this.#text += rest;
        if (rest !== "" && this.#finishReason !== "return") yield { text: rest, tokens: [] };
      }
    } finally {
      this.#greedyMs = greedyCost(this.#source.estimates.costs.verifyMs(1, false), this.#trace.oneRow);
      this.#source.onEnd();
      this.#end();
    }
  }

  #take(batch: readonly CommittedToken[]): Piece {
    const stream = this.#stream;
    let text = "";
    const tokens: CommittedToken[] = [];
    for (const committed of batch) {
      if (stream.stopped) break;
      tokens.push(committed);
      this.#tokens.push(committed.token);
      if (!this.#source.tokenizer.eosIds.has(committed.token)) text += stream.push(committed.token);
    }
    this.#text += text;
    return { text, tokens };
  }

  #finishReasonOf(maxNewTokens: number): FinishReason {
    const last = this.#tokens.at(-1);
    if (this.#stream.stopped) return "stop";
    if (last !== undefined && this.#source.tokenizer.eosIds.has(last)) return "eos";
    if (this.#options.signal?.aborted) return "abort";
    return this.#tokens.length >= maxNewTokens ? "length" : "context";
  }

  /** What has come of it: while it runs, so far. */
  get record(): GenerationRecord {
    const { promptTokens: _, tokens: __, ...figures } = this.#trace.summary;
    const { msPerToken } = figures;
    const greedyMs = this.strategy === "greedy" ? null : this.#greedyMs;
    const isLong = this.#tokens.length >= LEAST_TOKENS;
    return {
      strategy: this.strategy,
      sampling: this.sampling,
      models: this.#source.models,
      devices: this.#source.devices,
      variants: this.#source.variants,
      promptTokens: this.#source.prompt,
      tokens: this.#tokens,
      text: this.#text,
      finishReason: this.#finishReason,
      ...figures,
      greedyMsPerToken: greedyMs,
      speedup: greedyMs && msPerToken && isLong ? greedyMs / msPerToken : null,
      events: this.events,
    };
  }
}
