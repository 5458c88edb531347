import { RealClock } from "../spec/clock.ts";
import { type Lane, MAX_ROWS } from "../spec/lanes/lane.ts";
import type { Estimates } from "../spec/schedule/estimates.ts";
import type { AdaptiveLaunch } from "../spec/schedule/adaptive-launch.ts";
import { isLaunchName, type LaunchName, type LaunchRule, launchRuleOf } from "../spec/schedule/launch-rule.ts";
import type { Gain } from "../spec/schedule/draft-backoff.ts";
import { Scheduler } from "../spec/schedule/scheduler.ts";
import { amusd } from "../spec/strategies/amusd.ts";
import { greedy } from "../spec/strategies/greedy.ts";
import { sd } from "../spec/strategies/sd.ts";
import type { Strategy } from "../spec/strategies/strategy.ts";
import { type CommittedToken, TokenLog } from "../spec/token-log.ts";
import { greedyCost } from "../spec/trace/greedy-cost.ts";
import type { Summary } from "../spec/trace/summary.ts";
import type { TraceEvent } from "../spec/trace/trace-events.ts";
import { Trace } from "../spec/trace/trace.ts";
import { TextStream } from "../tokenizer/text-stream.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import type { Sampling, TokenLogprobs } from "../util/sampling.ts";
import type { Held } from "./cached-texts.ts";
import { samplingOf, type SamplingOptions } from "./sampling-options.ts";

/** How the two models take turns: the large one alone, in turn with the small one, or both at once. */
export type StrategyName = "greedy" | "sd" | "amusd";

/** All strategies, by name. */
export const STRATEGIES: Readonly<Record<StrategyName, Strategy>> = { greedy, sd, amusd };

/** How to generate one text. */
export interface GenerationOptions extends SamplingOptions {
  /** Default: amusd where there is something to draft with, greedy without. The text is the same. */
  readonly strategy?: StrategyName;
  /** The longest answer, in tokens; default 256. */
  readonly maxTokens?: number;
  /** Texts that end the answer, and are not part of it. That of a control token stands for the token. */
  readonly stop?: readonly string[];
  /** The prompt is the text itself, not a message for the chat template. */
  readonly raw?: boolean;
  /**
   * The models are not fed again what their KV caches hold of the prompt's beginning. The text is the same, and sooner
   * there; default false, so that times compare. A chat always does so.
   */
  readonly reuseCache?: boolean;
  /** With `raw`: the text of a control token, such as `<|im_start|>`, is that token; default true. */
  readonly special?: boolean;
  /** An AbortSignal: once it is aborted, the run ends, and what has come is the answer. */
  readonly signal?: { readonly aborted: boolean };
  /** Tokens that `sd` drafts before each verification, 1 to 15; default 5. */
  readonly lookahead?: number;
  /**
   * A guess at the answer, say the file that it is an edit of: drafts come by look-up from it and from the text before,
   * and not from the draft model. The text is the same, and sooner where the guess is near.
   */
  readonly prediction?: string;
  /** When `amusd` starts a verification, and with how much; default "adaptive". */
  readonly launch?: LaunchName;
  /** Whether `amusd` also drafts from second choices while a verification is in flight; default true. */
  readonly hedge?: boolean;
  /**
   * The record keeps the run's events ("keep", the default), or has none ("off"), or each one is given to a function as
   * soon as nothing more will become of it. Without "keep" a run of any length takes no more memory.
   */
  readonly trace?: "keep" | "off" | ((event: TraceEvent) => void);
  /** Hears, as the verify model is fed the prompt, how many of its tokens are: at first those that its cache held. */
  readonly onPrefill?: (fed: number, promptTokens: number) => void;
  /** Takes one line when the draft device is lost; default: stderr. */
  readonly warn?: (message: string) => void;
}

/** A token of an answer, who wrote it, and the text that came with it. */
export interface WrittenToken extends CommittedToken {
  /** The text that is certain since the token before; characters that are not may come with a later token. */
  readonly text: string;
}

/** Text as it is committed, and the tokens that came with it. Some of their characters may still be held back. */
export interface Piece {
  /** The text that is committed since the piece before; it may be empty. */
  readonly text: string;
  /** The tokens that were committed, and who wrote them; none where only held-back text comes. */
  readonly tokens: readonly WrittenToken[];
}

/**
 * Why a text ended: an end-of-text token, a stop text, maxTokens, a full context, its signal, a consumer that left its
 * loop, or an error.
 */
export type FinishReason = "eos" | "stop" | "length" | "context" | "abort" | "return" | "error";

/** All of a generation, as `--json` prints it; for the figures see Summary. */
export interface GenerationRecord extends Omit<Summary, "promptTokens" | "tokens"> {
  /** How the models took turns. */
  readonly strategy: StrategyName;
  /** How tokens were drawn; null: the likeliest one each time. */
  readonly sampling: Sampling | null;
  /** By lane ("verify", "middle", "draft"): the model's file. */
  readonly models: Readonly<Record<string, string>>;
  /** A name for the verify model's weights, by which `certify` knows them. */
  readonly modelHash: string;
  /** By lane: the device's name. */
  readonly devices: Readonly<Record<string, string>>;
  /** By lane: the variant of the kernels. It sets the order of summation, so near-ties may depend on it. */
  readonly variants: Readonly<Record<string, string>>;
  /** The prompt, as it was fed. */
  readonly promptTokens: readonly number[];
  /** How many of the prompt's first tokens the verify lane's cache held, which were not fed again. */
  readonly cachedTokens: number;
  /** The answer's tokens, its end-of-text token included. */
  readonly tokens: readonly number[];
  /** The answer. */
  readonly text: string;
  /** The tokens' log-probabilities; null unless they were asked for. */
  readonly logprobs: readonly TokenLogprobs[] | null;
  /** Why the answer ended. */
  readonly finishReason: FinishReason;
  /**
   * The time that the verify lane takes for a token by itself, in ms, by the calibration, this run and those before on
   * its devices; null for `greedy`, and where too little was measured, or the measurements do not agree. Where both
   * lanes compute on the CPU it is measured on the verify lane's share of the cores: an engine without a draft model
   * has all of them.
   */
  readonly greedyMsPerToken: number | null;
  /** How many times as fast as that the run was; null where it is too short to tell. */
  readonly speedup: number | null;
  /**
   * The speed over the verify lane's alone that the launch rule expected of the run, pauses of drafting included; null
   * where that rule didn't lead it, or too little was measured.
   */
  readonly expectedGain: number | null;
  /** The same, as it came. */
  readonly achievedGain: number | null;
  /** The run's trace; empty unless it was to be kept. */
  readonly events: readonly TraceEvent[];
}

/** All that a run needs of the engine that starts it. */
export interface RunSource {
  readonly tokenizer: Tokenizer;
  readonly prompt: readonly number[];
  readonly verify: Lane;
  readonly draft: Lane | undefined;
  /** Whether what followed in the text before is taken for drafts too, where the launch rule weighs them. */
  readonly lookUp?: boolean;
  readonly estimates: Estimates;
  /** The launch rule that learns from run to run. */
  readonly adaptive: LaunchRule & Pick<AdaptiveLaunch, "gain">;
  readonly models: GenerationRecord["models"];
  readonly devices: GenerationRecord["devices"];
  readonly variants: GenerationRecord["variants"];
  readonly modelHash: string;
}

/** A speed-up over fewer tokens says little: the first ones come one by one, and a verification is a large part. */
const LEAST_TOKENS = 16;

/**
 * Throws a RangeError unless there is a prompt, and room for an answer behind it in a context of that many positions.
 */
export function assertPromptFits(promptTokens: number, context: number): void {
  if (promptTokens >= 1 && promptTokens < context) return;
  if (promptTokens === 0) throw new RangeError("Cannot generate after an empty prompt: it has no token; give a text");
  throw new RangeError(
    `Cannot generate after a prompt of ${promptTokens} tokens: the context has ${context} positions, one of them or ` +
      "more for the answer; give a prompt that fits, or a larger context",
  );
}

/** Writes one text: what was asked for is checked as it is made, and `pieces` runs it. */
export class GenerationRun {
  readonly #source: RunSource;
  readonly #options: GenerationOptions;
  readonly #strategy: StrategyName;
  readonly #sampling: Sampling | null;
  readonly #maxTokens: number;
  readonly #stream: TextStream;
  /** The control tokens among the stop texts. */
  readonly #stopIds: ReadonlySet<number>;
  readonly #trace: Trace;
  readonly #tokens: number[] = [];
  readonly #logprobs: TokenLogprobs[] = [];
  #text = "";
  #finishReason: FinishReason = "return";
  #draftLost = false;
  #cachedTokens = 0;
  #gain: Gain | null = null;
  /** What greedy costs, as it was known when the run ended: later runs go on measuring. */
  #greedyMs: number | null = null;

  /**
   * Throws a RangeError for an option or a prompt token out of range, and a TypeError for a strategy that needs a draft
   * model, or filters of tokens without a temperature.
   */
  constructor(source: RunSource, options: GenerationOptions) {
    const { strategy = source.draft ? "amusd" : "greedy", lookahead = 5, maxTokens = 256, trace = "keep" } = options;
    if (!Object.hasOwn(STRATEGIES, strategy)) {
      throw new RangeError(`Cannot decode by "${strategy}": the strategies are ${Object.keys(STRATEGIES).join(", ")}`);
    }
    if (!Number.isInteger(lookahead) || lookahead < 1 || lookahead >= MAX_ROWS) {
      throw new RangeError(`Cannot draft ${lookahead} tokens at a time: the lookahead is 1 to ${MAX_ROWS - 1}`);
    }
    if (options.launch !== undefined && !isLaunchName(options.launch)) {
      throw new RangeError(
        `Cannot launch by "${options.launch}": the rules are adaptive, published and fixed:1 to fixed:${MAX_ROWS - 1}`,
      );
    }
    if (!Number.isInteger(maxTokens) || maxTokens < 1) {
      throw new RangeError(`Cannot generate ${maxTokens} tokens: a whole number of 1 or more is wanted`);
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
    const { stop = [] } = options;
    this.#stream = new TextStream(source.tokenizer, { stop });
    this.#stopIds = new Set(stop.flatMap((text) => source.tokenizer.controlId(text) ?? []));
    this.#strategy = strategy;
    this.#sampling = samplingOf(options, {
      promptTokens: source.prompt.length,
      vocabulary,
      eosIds: source.tokenizer.eosIds,
    });
    this.#maxTokens = maxTokens;
    this.#source = source;
    this.#options = options;
    this.#trace = new Trace(new RealClock(), trace === "keep", typeof trace === "function" ? trace : undefined);
  }

  /** The answer's tokens so far. */
  get tokens(): readonly number[] {
    return this.#tokens;
  }

  /** Whether the draft device was lost in this run. */
  get draftLost(): boolean {
    return this.#draftLost;
  }

  /** How many tokens of `text` the lane's cache holds; see the function of that name. */
  cachedLength(lane: string, text: readonly number[]): number {
    return this.#trace.cachedLength(lane, text);
  }

  /**
   * Runs, once; `cached` are the prompt's first tokens that each lane's cache holds already. A lost verify device ends
   * it with a LaneLostError, after all text. A consumer that leaves ends it too.
   */
  async *pieces(cached: Held): AsyncGenerator<Piece, void, undefined> {
    const { tokenizer, prompt, verify, estimates, adaptive } = this.#source;
    const draft = this.#strategy === "greedy" ? undefined : this.#source.draft;
    const { lookahead = 5, launch = "adaptive", hedge = true, signal, onPrefill, warn = console.error } = this.#options;
    const stream = this.#stream;
    // The last token is always fed: what follows it is asked for.
    this.#cachedTokens = Math.min(cached.verify, prompt.length - 1);
    // Both lanes draw with the same noise: where the models agree, so do their draws.
    for (const lane of [verify, draft]) lane?.sample(this.#sampling);
    try {
      const batches = STRATEGIES[this.#strategy]({
        log: new TokenLog(prompt),
        lanes: { verify, draft, cached },
        limits: { maxTokens: this.#maxTokens, eosIds: [...tokenizer.eosIds, ...this.#stopIds], signal },
        drafting: { lookahead, hedge, lookUp: this.#source.lookUp && launch === "adaptive" },
        scheduler: new Scheduler(estimates, launchRuleOf(launch, adaptive), this.#trace),
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
        this.#finishReason = this.#reasonOfEnd();
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
      if (launch === "adaptive") this.#gain = adaptive.gain;
      this.#greedyMs = greedyCost(estimates.costs.verifyMs(1, false), this.#trace.oneRow);
    }
  }

  #take(batch: readonly CommittedToken[]): Piece {
    const stream = this.#stream;
    let text = "";
    const tokens: WrittenToken[] = [];
    for (const committed of batch) {
      if (stream.stopped) break;
      const { token } = committed;
      const own = this.#source.tokenizer.eosIds.has(token) ? "" : stream.push(token);
      tokens.push({ ...committed, text: own });
      this.#tokens.push(token);
      if (committed.logprobs) this.#logprobs.push(committed.logprobs);
      text += own;
    }
    this.#text += text;
    return { text, tokens };
  }

  #reasonOfEnd(): FinishReason {
    const last = this.#tokens.at(-1);
    if (this.#stream.stopped) return "stop";
    if (last !== undefined && this.#source.tokenizer.eosIds.has(last)) return "eos";
    if (last !== undefined && this.#stopIds.has(last)) return "stop";
    if (this.#options.signal?.aborted) return "abort";
    return this.#tokens.length >= this.#maxTokens ? "length" : "context";
  }

  /** What has come of the run so far. Throws a RangeError before it began. */
  get record(): GenerationRecord {
    const { promptTokens: _, tokens: __, ...figures } = this.#trace.summary;
    const { msPerToken } = figures;
    const greedyMs = this.#strategy === "greedy" ? null : this.#greedyMs;
    const isLong = this.#tokens.length >= LEAST_TOKENS;
    return {
      strategy: this.#strategy,
      sampling: this.#sampling,
      models: this.#source.models,
      modelHash: this.#source.modelHash,
      devices: this.#source.devices,
      variants: this.#source.variants,
      promptTokens: this.#source.prompt,
      cachedTokens: this.#cachedTokens,
      tokens: this.#tokens,
      text: this.#text,
      logprobs: this.#sampling?.logprobs === undefined ? null : this.#logprobs,
      finishReason: this.#finishReason,
      ...figures,
      greedyMsPerToken: greedyMs,
      speedup: greedyMs && msPerToken && isLong ? greedyMs / msPerToken : null,
      expectedGain: this.#gain?.expected ?? null,
      achievedGain: this.#gain?.achieved ?? null,
      events: this.#trace.events,
    };
  }
}
