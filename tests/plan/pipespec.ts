// The original program's successor, PipeSpec, replayed on simulated lanes: pipespec.json has its measured runs on
// HumanEval, and this its two ways to decode with a pair of models, as decoding.py has them.

import {
  laneOptionsOf,
  type LaneTimes,
  PROMPT,
  type Setting,
  type SimulatedHardware,
  simulateRun,
} from "../../src/plan/simulate.ts";
import { type Acceptance, simulatedPair } from "../../src/plan/simulated-pair.ts";
import { VirtualClock } from "../../src/spec/clock.ts";
import { countAccepted, type Lane } from "../../src/spec/lanes/lane.ts";
import { SimulatedLane } from "../../src/spec/lanes/simulated-lane.ts";
import { mean, onLine, sum } from "../../src/util/numbers.ts";
import runs from "./pipespec.json" with { type: "json" };

/** A configuration's measured run: means of its operations' times, in ms. */
export interface PipespecRun {
  /** `chain` is synchronous; in an `async-chain` each model runs as fast as it can. */
  readonly strategy: "greedy" | "chain" | "async-chain";
  /** Their sizes, the draft's first. */
  readonly models: readonly string[];
  /** With one token fewer drafted a verification starts; see `lookaheadOf`. */
  readonly lookahead: number;
  /** An operation of each model but the last: the draft's is a step. */
  readonly stepMs: readonly number[];
  /** A verification of one row, and of more; null where there was none, or the two can't be told apart. */
  readonly oneRowMs: number | null;
  /** In an asynchronous run the wait for the draft's answer to the last one may be part of it. */
  readonly rowsMs: number | null;
  readonly samples: readonly {
    readonly sample: number;
    readonly tokens: number;
    readonly totalMs: number;
    /** What lies outside of the operations: the prefill of all models above all. */
    readonly restMs: number;
    /** Tokens that each verification committed, for each pair of neighbours. */
    readonly accepted: readonly string[];
  }[];
}

export const PIPESPEC_RUNS = runs as readonly PipespecRun[];

/** The pairs of models, the draft first; each has a run of either strategy or more. */
export const PIPESPEC_PAIRS = [["1B", "8B"], ["1B", "70B"], ["8B", "70B"]] as const;

/** The runs of two models. */
export function pairRuns(draft: string, verify: string): readonly PipespecRun[] {
  return PIPESPEC_RUNS.filter(({ models }) => models.join() === [draft, verify].join());
}

/** A run's time for a token. */
export function measuredMs({ samples }: PipespecRun): number {
  return sum(samples.map(({ totalMs }) => totalMs)) / sum(samples.map(({ tokens }) => tokens));
}

/**
 * The files of asynchronous runs with the 70B say 0. But each of their verifications behind a rejection commits 5
 * tokens or fewer, and none took as little time as one of one row: that is the program's default, 5.
 */
export function lookaheadOf({ strategy, models, lookahead }: PipespecRun): number {
  return strategy === "async-chain" && models.at(-1) === "70B" ? 5 : lookahead;
}

/**
 * Where the draft is right in a sample's text, as synchronous runs tell; undefined where none does. Behind a
 * verification that accepted all, one that commits a single token tells less: its first draft was wrong, or the draft
 * before, in the bonus's place.
 */
function rightIn(runs: readonly PipespecRun[], sample: number): (boolean | undefined)[] {
  const votes: number[] = [];
  const vote = (position: number, isRight: boolean) => votes[position] = (votes[position] ?? 0) + (isRight ? 1 : -1);
  const unclear: number[] = [];
  for (const { lookahead, samples } of runs) {
    // The prefill chose the first token.
    let position = 1;
    let wasFull = false;
    for (const count of countsOf(samples.find((text) => text.sample === sample))) {
      const isUnclear: boolean = wasFull && count === 1;
      if (isUnclear) unclear.push(position - 1);
      else {
        if (wasFull) vote(position - 1, true);
        for (let i = 0; i < count - 1; i++) vote(position + i, true);
        if (count < lookahead) vote(position + count - 1, false);
      }
      position += count;
      wasFull = count === lookahead && !isUnclear;
    }
  }
  for (const position of unclear) {
    if (votes[position] === undefined && !(votes[position + 1]! < 0)) vote(position, false);
  }
  return Array.from(votes, (vote) => vote === undefined ? undefined : vote > 0);
}

function countsOf(sample: PipespecRun["samples"][number] | undefined): number[] {
  return sample ? sample.accepted.at(-1)!.split(" ").map(Number) : [];
}

/**
 * The acceptance in each sample's text, as those runs tell, the synchronous ones of more than one row among them; where
 * they tell nothing, the draft is right as often as elsewhere.
 */
export function acceptanceIn(runs: readonly PipespecRun[]): (sample: number, tokens: number) => Acceptance {
  const telling = runs.filter(({ strategy, lookahead }) => strategy === "chain" && lookahead > 1);
  const samples = [...new Set(runs.flatMap(({ samples }) => samples.map(({ sample }) => sample)))];
  const known = new Map(samples.map((sample) => [sample, rightIn(telling, sample)]));
  const share = mean([...known.values()].flatMap((right) => right.filter((is) => is !== undefined).map(Number)));
  return (sample, tokens) => ({
    draws: Array.from({ length: tokens }, (_, position) => {
      const right = known.get(sample)?.[position];
      return { confidence: share, chance: right === undefined ? share : Number(right) };
    }),
    runnerUp: 0.5,
    inOrder: true,
  });
}

/** More rows than any of their verifications has. */
const ROWS = 64;

/** The draft's step takes as long for a few rows, by which it goes on from a correction. */
function laneOf(passMs: (rows: number) => number): LaneTimes {
  const ms = Array.from({ length: ROWS + 1 }, (_, rows) => passMs(Math.max(1, rows)));
  // The times have the host's share in them: there is none to hide by sending a message ahead.
  return { passMs: ms, prefillMs: 0, latencyMs: 0, stepsAhead: 1 };
}

/** Lanes with that draft step, and verifications as those runs' synchronous ones took. */
export function hardwareOf(stepMs: number, runs: readonly PipespecRun[]): SimulatedHardware {
  const chains = runs.filter(({ strategy }) => strategy === "chain");
  const ms = new Map<number, number>();
  for (const { lookahead, rowsMs } of chains) if (rowsMs !== null) ms.set(Math.max(2, lookahead), rowsMs);
  const one = chains.flatMap(({ oneRowMs }) => oneRowMs ?? []);
  if (one.length > 0) ms.set(1, mean(one));
  const sizes = [...ms.keys()].sort((a, b) => a - b);
  // Beyond what was measured, as long as the nearest.
  const within = (rows: number) => Math.min(Math.max(rows, sizes[0]!), sizes.at(-1)!);
  // Where a row more makes all the difference, no line lies between one and many.
  const known = sizes.filter((size) => size > 1);
  const passMs = (rows: number) =>
    rows === 1 || known.length === 0
      ? ms.get(within(rows))!
      : onLine(known, (size) => ms.get(size)!, Math.min(Math.max(rows, known[0]!), known.at(-1)!));
  return { draft: laneOf(() => stepMs), verify: laneOf(passMs) };
}

/** What their two processes hold: the verify model's tokens, and the draft's, which go on by themselves. */
class Texts {
  readonly written: number[];
  drafted: readonly number[];
  /** How many of the drafted tokens the draft lane's cache holds. */
  #held: number;
  readonly #verify: Lane;
  readonly #draft: Lane;

  constructor(verify: Lane, draft: Lane, text: readonly number[]) {
    this.written = [...text];
    this.drafted = text;
    this.#held = text.length - 1;
    this.#verify = verify;
    this.#draft = draft;
  }

  /** One more drafted token. */
  async step(): Promise<void> {
    const tokens = this.drafted.slice(this.#held);
    const { tokens: chosen } = tokens.length === 1
      ? await this.#draft.decode(tokens[0]!, this.#held, 1)
      : await this.#draft.verify(tokens, this.#held);
    this.#held = this.drafted.length;
    this.drafted = [...this.drafted, chosen.at(-1)!];
  }

  /** Verifies all that is drafted; where that contradicts the text, or ends before it, the last token alone. */
  async verify(): Promise<void> {
    const { written, drafted } = this;
    const from = written.length - 1;
    const goesOn = drafted.length > from && written.every((token, i) => token === drafted[i]);
    const rows = (goesOn ? drafted : written).slice(from);
    const { tokens } = await this.#verify.verify(rows, from);
    written.push(...tokens.slice(0, countAccepted(rows, tokens) + 1));
  }

  /** Takes the text over where the drafts contradict it. A bonus behind them is left to the draft to come to. */
  follow(): void {
    const at = this.drafted.findIndex((token, i) => i < this.written.length && token !== this.written[i]);
    if (at < 0) return;
    this.drafted = [...this.written];
    this.#held = at;
  }
}

async function chain(texts: Texts, length: number, lookahead: number): Promise<void> {
  while (texts.written.length < length) {
    while (texts.drafted.length - texts.written.length < lookahead - 1) await texts.step();
    await texts.verify();
    texts.follow();
  }
}

/** After each verification the draft is asked to follow, which it does between two steps; till then none starts. */
async function asyncChain(texts: Texts, length: number, lookahead: number): Promise<() => Promise<void>> {
  let [asked, ended] = [false, false];
  let stepping = Promise.resolve();
  const drafting = async () => {
    while (!ended) {
      if (asked) texts.follow();
      asked = false;
      await (stepping = texts.step());
    }
  };
  const drafted = drafting();
  while (texts.written.length < length) {
    while (asked || texts.written.length > texts.drafted.length - lookahead + 1) await stepping;
    await texts.verify();
    asked = true;
  }
  return () => {
    ended = true;
    return drafted;
  };
}

/**
 * Their texts one behind the other on that hardware by a setting of this project, with what lies outside of the
 * operations in `best`, their quickest run. Of the draft model, and of a middle one, the runs as a draft for the verify
 * model tell where they are right; nothing is known of how sure they were.
 */
export async function ours(
  setting: Setting,
  hardware: SimulatedHardware,
  best: PipespecRun,
  draftRuns: readonly PipespecRun[],
  middleRuns?: readonly PipespecRun[],
): Promise<number> {
  const inAll = (runs: readonly PipespecRun[]): Acceptance => {
    const acceptance = acceptanceIn(runs);
    const draws = best.samples.flatMap(({ sample, tokens }) => acceptance(sample, tokens).draws);
    return { draws, runnerUp: 0.5, inOrder: true };
  };
  const [draft, middle] = [inAll(draftRuns), middleRuns && inAll(middleRuns)];
  const tokens = draft.draws.length;
  const { summary } = await simulateRun(setting, hardware, draft, tokens, 1, false, middle);
  return summary.msPerToken! + sum(best.samples.map(({ restMs }) => restMs)) / tokens;
}

/** The hardware of their asynchronous run of three models, by that run's draft step and the pairs' synchronous ones. */
export function chainHardware(): { readonly hardware: SimulatedHardware; readonly run: PipespecRun } {
  const run = PIPESPEC_RUNS.find(({ strategy, models }) => strategy === "async-chain" && models.length === 3)!;
  const { draft, verify: middle } = hardwareOf(run.stepMs[0]!, pairRuns("1B", "8B"));
  return { hardware: { draft, middle, verify: hardwareOf(0, pairRuns("8B", "70B")).verify }, run };
}

/** The time for a token that their program would take, in ms, by those lanes and chances; `rest` is outside of them. */
export async function replay(
  run: PipespecRun,
  hardware: SimulatedHardware,
  acceptance: (sample: number, tokens: number) => Acceptance,
  rest: PipespecRun = run,
): Promise<number> {
  const lookahead = lookaheadOf(run);
  const restOf = (sample: number) => rest.samples.find((text) => text.sample === sample)?.restMs;
  const meanRestMs = mean(rest.samples.map(({ restMs }) => restMs));
  let totalMs = 0;
  for (const { sample, tokens } of run.samples) {
    const pair = simulatedPair(acceptance(sample, tokens + ROWS), sample, PROMPT.length);
    const options = laneOptionsOf(hardware, pair, PROMPT.length + tokens + 2 * ROWS);
    const clock = new VirtualClock(Infinity);
    const verify = new SimulatedLane(clock, { ...options.verify, maxRows: ROWS });
    const draft = new SimulatedLane(clock, options.draft);
    totalMs += restOf(sample) ?? meanRestMs;
    totalMs += await clock.run(async () => {
      await Promise.all([verify.prefill(PROMPT, 0), draft.prefill(PROMPT, 0)]);
      const texts = new Texts(verify, draft, [...PROMPT, pair.verify(PROMPT)]);
      const length = PROMPT.length + tokens;
      if (run.strategy === "chain") {
        await chain(texts, length, lookahead);
        return clock.now();
      }
      const end = await asyncChain(texts, length, lookahead);
      const ms = clock.now();
      await end();
      return ms;
    });
  }
  return totalMs / sum(run.samples.map(({ tokens }) => tokens));
}
