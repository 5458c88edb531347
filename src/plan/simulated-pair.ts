import { randomOf } from "../util/random.ts";
import { type JudgedDraft, Predictor } from "../spec/schedule/predictor.ts";
import type { TraceEvent } from "../spec/trace/trace-events.ts";

const VOCABULARY = 1000;

/** A drafted token: how sure the draft model is, and the chance that it is accepted if those before it are. */
export interface Draw {
  readonly confidence: number;
  readonly chance: number;
}

/** How good a draft model's tokens are. */
export interface Acceptance {
  /** Drafted tokens, each as likely as the others at any place of the text. */
  readonly draws: readonly Draw[];
  /** Whether `draws` stand in the order of the text's tokens instead, and begin anew when they have run out. */
  readonly inOrder?: boolean;
  /** How often the second choice is right where the first one is wrong. */
  readonly runnerUp: number;
}

/** With this many draws the standard error of their mean is about 0.005. */
const DRAWS = 4096;

/**
 * Chances of that mean that are Beta(a s, (1 - a) s) distributed, where a is the mean and s the concentration (all
 * equal for an infinite one). The draft model's confidence is the chance itself.
 */
export function betaAcceptance(mean: number, { concentration = 1, runnerUp = 0.5, seed = 1 } = {}): Acceptance {
  const random = randomOf(seed);
  const draws = Array.from({ length: DRAWS }, () => {
    if (concentration === Infinity) return { confidence: mean, chance: mean };
    const [x, y] = [gamma(mean * concentration, random), gamma((1 - mean) * concentration, random)];
    return { confidence: x / (x + y), chance: x / (x + y) };
  });
  return { draws, runnerUp };
}

/** A record has to tell of this many drafts whether they were right: fewer say too little. */
const LEAST_DRAFTS = 50;

/**
 * The acceptance in recorded runs: each token drafted after the right text, verified or not, with the chance that the
 * predictor gives it once it has seen them all. Throws a RangeError where there are too few such tokens.
 */
export function recordedAcceptance(runs: readonly (readonly TraceEvent[])[], where: string): Acceptance {
  const drafts = runs.flatMap(judgedDrafts);
  if (drafts.length < LEAST_DRAFTS) {
    throw new RangeError(
      `${where}: of ${drafts.length} drafted tokens it tells whether they were right, wanted ${LEAST_DRAFTS} or ` +
        "more; record longer runs of sd or amusd",
    );
  }
  const predictor = new Predictor();
  for (const { confidence, place, isRight } of drafts) predictor.observe(confidence, place, isRight);
  const wrong = drafts.filter(({ isRight }) => !isRight);
  const hits = wrong.filter(({ runnerUpIsRight }) => runnerUpIsRight).length;
  return {
    draws: drafts.map(({ confidence, place }) => ({ confidence, chance: predictor.chance(confidence, place) })),
    runnerUp: wrong.length > 0 ? hits / wrong.length : 0.5,
  };
}

/** The drafts of a run that follow nothing but tokens that were committed, by then or later. */
function judgedDrafts(events: readonly TraceEvent[]): JudgedDraft[] {
  const start = events.find((event) => event.kind === "start");
  const text: number[] = [];
  for (const event of events) {
    if (event.kind === "commit") { for (const { token, position } of event.tokens) text[position] = token; }
  }
  const isText = (token: number | undefined, position: number) =>
    position < (start?.promptTokens ?? 0) || text[position] === token;
  let committed = start?.promptTokens ?? 0;
  /** Up to this position the draft lane's cache holds the text. */
  let held = 0;
  const judged: JudgedDraft[] = [];
  for (const event of events) {
    if (event.kind === "commit") committed += event.tokens.length;
    if (event.kind !== "operation" || event.lane !== start?.lanes[1]?.name) continue;
    const { position, fork, tokens, chosen, confidences, runnersUp } = event;
    if (Math.min(fork ?? position, position) > held) continue;
    let right = 0;
    while (right < tokens.length && isText(tokens[right], position + right)) right++;
    // Of a branch only the first step counts: whether its later tokens follow the text isn't tracked.
    if (fork === undefined) held = Math.min(held, position) + (position <= held ? right : 0);
    else if (position !== fork) continue;
    for (let i = event.operation === "verify" ? chosen.length - 1 : 0; i < chosen.length && i < right; i++) {
      const [confidence, runnerUp, wanted] = [confidences?.[i], runnersUp?.[i], text[position + 1 + i]];
      if (confidence === undefined || runnerUp === undefined || wanted === undefined) continue;
      const place = Math.max(1, position + 2 + i - committed);
      judged.push({ confidence, place, isRight: chosen[i] === wanted, runnerUpIsRight: runnerUp === wanted });
    }
  }
  return judged;
}

/** A model that drafts, for simulations. */
export interface SimulatedDrafter {
  /** Its choice after a text. */
  readonly next: (text: readonly number[]) => number;
  /** How sure it is of that. */
  readonly confidence: (text: readonly number[]) => number;
  /** Its second choice. */
  readonly runnerUp: (text: readonly number[], chosen: number) => number;
}

/** Models for simulations. */
export interface SimulatedPair {
  /** The verify model's choice after a text. */
  readonly verify: (text: readonly number[]) => number;
  readonly draft: SimulatedDrafter;
  /** A model between the two, where one was asked for. */
  readonly middle?: SimulatedDrafter;
}

/** How often two models that draft for a third come to be right, or wrong, by the same cause: so do PipeSpec's. */
const SHARED = 0.57;
/** How often they are wrong by the same token, where both are wrong: a guess, which PipeSpec's three models fit. */
const SAME_ERROR = 0.3;

/**
 * Models that go by the position and the last two tokens, so that they take the same time at any length of text.
 * `promptTokens` is the prompt's length, behind which the draws are taken in order. `middle` is the acceptance of a
 * model between the two by the verify model.
 */
export function simulatedPair(
  acceptance: Acceptance,
  seed: number,
  promptTokens = 0,
  middle?: Acceptance,
): SimulatedPair {
  const at = (text: readonly number[], salt: number) => {
    let h = Math.imul(text.length ^ seed, 0x9e3779b1) ^ salt;
    h = Math.imul(h ^ (h >>> 15) ^ text.at(-1)!, 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13) ^ (text.at(-2) ?? 0), 0xc2b2ae35);
    h = Math.imul(h ^ (h >>> 16), 0x27d4eb2f);
    return (h ^ (h >>> 15)) >>> 0;
  };
  const share = (text: readonly number[], salt: number) => at(text, salt) / 2 ** 32;
  const verify = (text: readonly number[]) => at(text, 2) % VOCABULARY;
  /** A model that is right by the hash of that salt, and else chooses the token that is so far from the right one. */
  const drafter = (
    { draws, runnerUp, inOrder = false }: Acceptance,
    salt: (text: readonly number[]) => number,
    error: (text: readonly number[]) => number,
  ): SimulatedDrafter => {
    const draw = (text: readonly number[]) =>
      draws.at((inOrder ? text.length - promptTokens : at(text, 1)) % draws.length)!;
    const isRight = (text: readonly number[]) => share(text, salt(text)) < draw(text).chance;
    return {
      next: (text) => isRight(text) ? verify(text) : (verify(text) + error(text)) % VOCABULARY,
      confidence: (text) => draw(text).confidence,
      runnerUp: (text, chosen) =>
        !isRight(text) && share(text, 5) < runnerUp ? verify(text) : (chosen + 200) % VOCABULARY,
    };
  };
  const error = (text: readonly number[]) => 1 + at(text, 4) % 100;
  return {
    verify,
    draft: drafter(acceptance, () => 3, error),
    middle: middle && drafter(
      middle,
      (text) => share(text, 6) < SHARED ? 3 : 7,
      (text) => error(text) + (share(text, 8) < SAME_ERROR ? 0 : 100),
    ),
  };
}

/** Gamma(shape, 1) by Marsaglia and Tsang (2000). */
function gamma(shape: number, random: () => number): number {
  if (shape < 1) return gamma(shape + 1, random) * random() ** (1 / shape);
  const d = shape - 1 / 3;
  for (;;) {
    const x = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    const v = (1 + x / Math.sqrt(9 * d)) ** 3;
    if (v > 0 && Math.log(1 - random()) < x * x / 2 + d - d * v + d * Math.log(v)) return d * v;
  }
}
