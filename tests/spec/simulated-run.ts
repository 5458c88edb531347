import { type LaneOptions, lanesOf, simulate, type SimulatedText } from "../../src/plan/simulate.ts";
import type { Clock } from "../../src/spec/clock.ts";
import { Estimates } from "../../src/spec/schedule/estimates.ts";
import { launchAtOnce, type LaunchRule } from "../../src/spec/schedule/launch-rule.ts";
import { Scheduler } from "../../src/spec/schedule/scheduler.ts";
import type { SimulatedLaneOptions } from "../../src/spec/lanes/simulated-lane.ts";
import type { Drafting, Run, RunLanes, RunLimits, Strategy } from "../../src/spec/strategies/strategy.ts";
import { type CommittedToken, TokenLog } from "../../src/spec/token-log.ts";
import { Trace } from "../../src/spec/trace/trace.ts";
import type { TraceEvent } from "../../src/spec/trace/trace-events.ts";

/** The token that a model chooses after a text. */
export type Next = (text: readonly number[]) => number;

/** A 32-bit hash of the whole text: one wrong token anywhere in a cache changes all choices after it. */
export function hash(text: readonly number[], seed: number): number {
  let h = seed;
  for (const token of text) h = Math.imul(h ^ token, 0x9e3779b1) + 0x7f4a7c15;
  h = Math.imul(h ^ (h >>> 15), 0x85ebca6b);
  return (h ^ (h >>> 13)) >>> 0;
}

/** A model whose choice follows from the whole text. */
export function hashModel(seed: number, vocabulary: number): Next {
  return (text) => hash(text, seed) % vocabulary;
}

/** A model that chooses as `other` does in that share of the texts. */
export function agreeingModel(other: Next, share: number, vocabulary: number): Next {
  return (text) => {
    const agrees = hash(text, 77) / 2 ** 32 < share;
    return agrees ? other(text) : (other(text) + 1 + hash(text, 78) % (vocabulary - 1)) % vocabulary;
  };
}

/** The text as the plain loop over `next` writes it. */
export function plainLoop(
  next: Next,
  prompt: readonly number[],
  maxLength: number,
  eosIds: readonly number[] = [],
): number[] {
  const text = [...prompt];
  while (text.length < maxLength && (text.length === prompt.length || !eosIds.includes(text.at(-1)!))) {
    text.push(next(text));
  }
  return text.slice(prompt.length);
}

/** A simulated lane's options, with figures that tests can do with. */
export function laneOptions(
  name: string,
  next: Next,
  options: Partial<SimulatedLaneOptions> = {},
): SimulatedLaneOptions {
  return {
    name,
    next,
    capacity: 1000,
    stepsAhead: 1,
    prefillMs: 1,
    decodeMs: name === "draft" ? 2 : 10,
    verifyMs: (rows) => 10 + rows / 16,
    ...options,
  };
}

/** The text, the log and the trace of a run, and what was warned of or thrown. */
export interface Outcome {
  readonly yielded: readonly CommittedToken[];
  readonly tokens: readonly number[];
  readonly log: TokenLog;
  readonly events: readonly TraceEvent[];
  readonly warnings: readonly string[];
  readonly error: unknown;
}

/** The parts of a Run, its groups laid flat. */
export interface RunOptions extends RunLanes, Partial<RunLimits>, Partial<Drafting> {
  readonly estimates?: Estimates;
  readonly launchRule?: LaunchRule;
}

/** A run on those lanes, with values that tests can do with where none are given. */
export function runOf(log: TokenLog, trace: Trace, options: RunOptions, warn: Run["warn"] = () => {}): Run {
  const { verify, draft, cached, maxTokens = 20, eosIds = [], signal, lookahead = 5, hedge = true, lookUp } = options;
  const { estimates = new Estimates(), launchRule = launchAtOnce } = options;
  return {
    log,
    lanes: { verify, draft, cached },
    limits: { maxTokens, eosIds, signal },
    drafting: { lookahead, hedge, lookUp },
    scheduler: new Scheduler(estimates, launchRule, trace),
    warn,
  };
}

/** Runs a strategy to its end, or until `consume` says stop; an error that it throws is kept in the outcome. */
export async function collect(
  strategy: Strategy,
  clock: Clock,
  prompt: readonly number[],
  options: RunOptions,
  consume: (batch: readonly CommittedToken[]) => Promise<"stop" | void> | "stop" | void = () => {},
): Promise<Outcome> {
  const log = new TokenLog(prompt);
  const trace = new Trace(clock);
  const warnings: string[] = [];
  const yielded: CommittedToken[] = [];
  let error: unknown;
  try {
    for await (const batch of strategy(runOf(log, trace, options, (message) => warnings.push(message)))) {
      yielded.push(...batch);
      if (await consume(batch) === "stop") break;
    }
  } catch (thrown) {
    error = thrown;
  }
  return { yielded, tokens: yielded.map(({ token }) => token), log, events: trace.events, warnings, error };
}

/** A text by a strategy that launches at once, on two fresh simulated lanes that nobody has measured. */
export async function simulateText(
  strategy: Strategy,
  prompt: readonly number[],
  options: LaneOptions,
  tokens: number,
): Promise<SimulatedText> {
  const setting = { strategy, lookahead: 5, launchRule: () => launchAtOnce, hedge: true };
  const lanes = lanesOf(options);
  const [text] = await simulate({ setting, lanes, prompt, tokens, calibrates: false, keepsEvents: true });
  return text!;
}
