import { randomOf } from "../util/random.ts";
import { Predictor } from "../spec/schedule/predictor.ts";
import type { TraceEvent } from "../spec/trace/trace-events.ts";

const VOCABULARY = 1000;

/** A drafted token: how sure the draft says it is, and the chance that it is accepted if those before it are. */
export interface Draw {
  readonly confidence: number;
  readonly chance: number;
}

/** What a draft model's tokens are like, and how often its second choice is right where the first one is wrong. */
export interface Acceptance {
  /** Each as likely as the others, anywhere in the text; or, `inOrder`, what is drafted for each of the text's tokens, over and over. */
  readonly draws: readonly Draw[];
  readonly inOrder?: boolean;
  readonly second: number;
}

const DRAWS = 4096;

/** Chances of that mean, Beta(a s, (1 - a) s) distributed (all equal for an infinite s), which the draft knows. */
export function betaAcceptance(mean: number, { concentration = 1, second = 0.5, seed = 1 } = {}): Acceptance {
  const random = randomOf(seed);
  const draws = Array.from({ length: DRAWS }, () => {
    if (concentration === Infinity) return { confidence: mean, chance: mean };
    const [x, y] = [gamma(mean * concentration, random), gamma((1 - mean) * concentration, random)];
    return { confidence: x / (x + y), chance: x / (x + y) };
  });
  return { draws, second };
}

/** Drafts of which a record has to tell whether they were right: fewer say too little. */
const LEAST_DRAFTS = 50;

/**
 * What runs say of their draft: each token that it drafted after the right text, verified or not, with the chance that the predictor gives it when it has
 * seen them all. Throws a RangeError where there are too few.
 */
export function recordedAcceptance(runs: readonly (readonly TraceEvent[])[], where: string): Acceptance {
  const drafts = runs.flatMap(knownDrafts);
  if (drafts.length < LEAST_DRAFTS) {
    throw new RangeError(
      `${where}: of ${drafts.length} drafted tokens it tells whether they were right, wanted ${LEAST_DRAFTS} or more; ` +
        "record longer runs of sd or amusd",
    );
  }
  const predictor = new Predictor();
  for (const { confidence, place, isRight } of drafts) predictor.observe(confidence, place, isRight);
  const wrong = drafts.filter(({ isRight }) => !isRight);
  const hits = wrong.filter(({ secondIsRight }) => secondIsRight).length;
  return {
    draws: drafts.map(({ confidence, place }) => ({ confidence, chance: predictor.chance(confidence, place) })),
    second: wrong.length > 0 ? hits / wrong.length : 0.5,
  };
}

interface KnownDraft {
  readonly confidence: number;
  /** 1 for the first token after what was committed then. */
  readonly place: number;
  readonly isRight: boolean;
  readonly secondIsRight: boolean;
}

/** The drafts of a run that stand behind nothing but what was committed, by then or later. */
function knownDrafts(events: readonly TraceEvent[]): KnownDraft[] {
  const start = events.find((event) => event.kind === "start");
  const text: number[] = [];
  for (const event of events) {
    if (event.kind === "commit") { for (const { token, position } of event.tokens) text[position] = token; }
  }
  const isText = (token: number | undefined, position: number) =>
    position < (start?.promptTokens ?? 0) || text[position] === token;
  let committed = start?.promptTokens ?? 0;
  /** How far the draft lane's cache holds the text. */
  let held = 0;
  const known: KnownDraft[] = [];
  for (const event of events) {
    if (event.kind === "commit") committed += event.tokens.length;
    if (event.kind !== "operation" || event.lane !== start?.lanes[1]?.name) continue;
    const { position, fork, tokens, chosen, confidences, runnersUp } = event;
    if (Math.min(fork ?? position, position) > held) continue;
    let right = 0;
    while (right < tokens.length && isText(tokens[right], position + right)) right++;
    // A branch is left out but for its first step: what it holds isn't followed.
    if (fork === undefined) held = Math.min(held, position) + (position <= held ? right : 0);
    else if (position !== fork) continue;
    for (let i = event.operation === "verify" ? chosen.length - 1 : 0; i < chosen.length && i < right; i++) {
      const [confidence, second, wanted] = [confidences?.[i], runnersUp?.[i], text[position + 1 + i]];
      if (confidence === undefined || second === undefined || wanted === undefined) continue;
      const place = Math.max(1, position + 2 + i - committed);
      known.push({ confidence, place, isRight: chosen[i] === wanted, secondIsRight: second === wanted });
    }
  }
  return known;
}

/** A draft and a verify model for simulations: functions of the position and the last two tokens, of the same cost at any length of text. `prompt` is how long theirs is. */
export function simulatedPair({ draws, second, inOrder = false }: Acceptance, seed: number, prompt = 0) {
  const at = (text: readonly number[], salt: number) => {
    let h = Math.imul(text.length ^ seed, 0x9e3779b1) ^ salt;
    h = Math.imul(h ^ (h >>> 15) ^ text.at(-1)!, 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13) ^ (text.at(-2) ?? 0), 0xc2b2ae35);
    h = Math.imul(h ^ (h >>> 16), 0x27d4eb2f);
    return (h ^ (h >>> 15)) >>> 0;
  };
  const share = (text: readonly number[], salt: number) => at(text, salt) / 2 ** 32;
  const draw = (text: readonly number[]) => draws.at((inOrder ? text.length - prompt : at(text, 1)) % draws.length)!;
  const verify = (text: readonly number[]) => at(text, 2) % VOCABULARY;
  const isRight = (text: readonly number[]) => share(text, 3) < draw(text).chance;
  return {
    verify,
    draft: (text: readonly number[]) =>
      isRight(text) ? verify(text) : (verify(text) + 1 + at(text, 4) % 100) % VOCABULARY,
    confidence: (text: readonly number[]) => draw(text).confidence,
    second: (text: readonly number[], chosen: number) =>
      !isRight(text) && share(text, 5) < second ? verify(text) : (chosen + 200) % VOCABULARY,
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
