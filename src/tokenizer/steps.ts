import { isRecord } from "../util/is-record.ts";
import { quote } from "../util/text.ts";
import { toByteLetters } from "./bpe.ts";
import { GPT2, type JsonStep, publishedPattern } from "./pre-tokenizers.ts";
import { boundedMatches, type FindMatches, nativeMatches, StepBudget } from "./regex.ts";

/** Pieces of a text. */
export interface Pieces {
  readonly pieces: readonly string[];
  /** Whether the first of them begins where the whole text does. */
  readonly atStart: boolean;
}

/** Changes a text before it is cut. Throws an Error where that makes it far longer. */
export type Normalizer = (text: string) => string;

/** Cuts a text into the pieces that are merged each by itself. */
export type PreTokenizer = (text: string, atStart: boolean) => readonly string[];

type Step = (pieces: Pieces) => Pieces;
type Behavior = "Removed" | "Isolated" | "MergedWithPrevious" | "MergedWithNext" | "Contiguous";
const BEHAVIORS: readonly unknown[] = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"];

/** The longest text that a step puts into another. */
const MAX_CONTENT = 256;
/** So many times its length, and so many characters beside, a text may become by all steps of a normalizer. */
const MAX_GROWTH = { times: 32, characters: 65_536 };
/** Published tokenizers have up to 8 steps. */
const MAX_STEPS = 32;

/**
 * Builds the steps of a tokenizer.json's `normalizer` and `pre_tokenizer`, as Hugging Face's tokenizers take them.
 * Regular expressions that a published model has run by JavaScript's engine, others by one whose time is bounded.
 * Throws an Error of one line for a step that is not done here.
 */
export class StepBuilder {
  readonly #budget = new StepBudget();

  /** Text is going to be encoded: patterns may take time for it. */
  allow(text: string): void {
    this.#budget.allow(text.length);
  }

  normalizer(steps: readonly JsonStep[]): Normalizer {
    const changes = this.#all("normalizer", steps, (step) => this.#normalize(step));
    return (text) => {
      const limit = MAX_GROWTH.times * text.length + MAX_GROWTH.characters;
      for (const change of changes) {
        text = change(text, limit);
        if (text.length > limit) throw tooLong();
      }
      return text;
    };
  }

  preTokenizer(steps: readonly JsonStep[]): PreTokenizer {
    const cuts = this.#all("pre-tokenizer", steps, (step) => this.#cut(step));
    return (text, atStart) => {
      let pieces: Pieces = { pieces: [text], atStart };
      for (const cut of cuts) pieces = cut(pieces);
      return pieces.pieces;
    };
  }

  #all<T>(what: string, steps: readonly JsonStep[], build: (step: JsonStep) => T | undefined): T[] {
    if (steps.length > MAX_STEPS) {
      throw new Error(`Cannot load the tokenizer: its ${what} has ${steps.length} steps; use a GGUF of the model`);
    }
    return steps.map((step) => {
      const built = build(step);
      if (built !== undefined) return built;
      throw new Error(
        `Cannot load the tokenizer: its ${what} has the step ${quote(JSON.stringify(step))}, which is not done here; ` +
          "use a GGUF of the model",
      );
    });
  }

  #normalize(step: JsonStep): ((text: string, limit: number) => string) | undefined {
    const { type, content } = step;
    switch (type) {
      case "NFC":
      case "NFD":
      case "NFKC":
      case "NFKD":
        return (text) => text.normalize(type);
      case "Lowercase":
        // The Greek sigma at the end of a word becomes no letter of its own, as JavaScript would have it.
        return (text) => text.replaceAll("Σ", "σ").toLowerCase();
      case "StripAccents":
        return (text) => text.replace(/\p{M}/gu, "");
      case "Prepend": {
        const { prepend } = step;
        return isContent(prepend) ? (text) => text === "" ? "" : prepend + text : undefined;
      }
      case "Append": {
        const { append } = step;
        return isContent(append) ? (text) => text === "" ? "" : text + append : undefined;
      }
      case "Strip":
        return (text) => {
          if (step.strip_left) text = text.replace(/^\p{White_Space}+/u, "");
          // A pattern for the end would look at each run of white space from each of its places.
          let end = text.length;
          while (step.strip_right && end > 0 && /^\p{White_Space}$/u.test(text[end - 1]!)) end--;
          return text.slice(0, end);
        };
      case "ByteLevel":
        return (text) => toByteLetters(text);
      case "Replace": {
        const find = this.#finder(step.pattern);
        if (!find || !isContent(content)) return undefined;
        return (text, limit) => {
          let [replaced, end] = ["", 0];
          for (const [from, to] of find(text)) {
            replaced += text.slice(end, from) + content;
            end = to;
            if (replaced.length > limit) throw tooLong();
          }
          return replaced + text.slice(end);
        };
      }
    }
  }

  #cut(step: JsonStep): Step | undefined {
    switch (step.type) {
      case "Split": {
        const { behavior, invert } = step;
        const find = this.#finder(step.pattern);
        if (!find || !isBehavior(behavior)) return undefined;
        return splitStep(find, behavior, invert === true);
      }
      case "Digits":
        return splitStep(nativeMatches("\\p{N}"), step.individual_digits ? "Isolated" : "Contiguous");
      case "Punctuation": {
        const { behavior = "Isolated" } = step;
        return isBehavior(behavior) ? splitStep(nativeMatches(PUNCTUATION), behavior) : undefined;
      }
      case "Whitespace":
        return splitStep(nativeMatches("[\\w\\u200c\\u200d]+|[^\\w\\s\\u200c\\u200d]+"), "Removed", true);
      case "WhitespaceSplit":
        return splitStep(nativeMatches("\\s"), "Removed");
      case "BertPreTokenizer": {
        const [spaces, marks] = [
          splitStep(nativeMatches("\\s"), "Removed"),
          splitStep(nativeMatches(PUNCTUATION), "Isolated"),
        ];
        return (pieces) => marks(spaces(pieces));
      }
      case "CharDelimiterSplit": {
        const { delimiter } = step;
        return isContent(delimiter) && delimiter !== "" ? splitStep(literalMatches(delimiter), "Removed") : undefined;
      }
      case "ByteLevel": {
        const cut = step.use_regex === false ? undefined : splitStep(nativeMatches(GPT2), "Isolated");
        return ({ pieces, atStart }) => {
          const spaced = step.add_prefix_space
            ? pieces.map((piece) => piece.startsWith(" ") ? piece : ` ${piece}`)
            : pieces;
          const cuts = cut ? cut({ pieces: spaced, atStart }).pieces : spaced;
          return { pieces: cuts.map(toByteLetters), atStart };
        };
      }
      case "Metaspace":
        return metaspace(step);
    }
  }

  #finder(pattern: unknown): FindMatches | undefined {
    if (!isRecord(pattern)) return undefined;
    const { String: text, Regex: regex } = pattern;
    if (typeof text === "string") return text === "" ? undefined : literalMatches(text);
    if (typeof regex !== "string") return undefined;
    const published = publishedPattern(regex);
    return published ? nativeMatches(published) : boundedMatches(regex, this.#budget);
  }
}

const PUNCTUATION = "[\\p{P}$+<=>^`|~]";

/** SentencePiece's way to write spaces: as `replacement`, one of them before the text or before each part of it. */
function metaspace(step: JsonStep): Step | undefined {
  const { replacement, prepend_scheme: scheme, add_prefix_space: addPrefixSpace, split } = step;
  if (typeof replacement !== "string" || Array.from(replacement).length !== 1) return undefined;
  // Files of before 2024 have add_prefix_space alone.
  const prepends = scheme ?? (addPrefixSpace === false ? "never" : "always");
  if (prepends !== "first" && prepends !== "always" && prepends !== "never") return undefined;
  const cut = split === false ? undefined : splitStep(literalMatches(replacement), "MergedWithNext");
  return ({ pieces, atStart }) => {
    const spaced = pieces.map((piece, index) => {
      const text = piece.replaceAll(" ", replacement);
      const isFirst = prepends === "always" || (prepends === "first" && atStart && index === 0);
      return isFirst && !text.startsWith(replacement) ? replacement + text : text;
    });
    return cut ? cut({ pieces: spaced, atStart }) : { pieces: spaced, atStart };
  };
}

function literalMatches(literal: string): FindMatches {
  return function* (text) {
    for (let at = text.indexOf(literal); at >= 0; at = text.indexOf(literal, at + literal.length)) {
      yield [at, at + literal.length];
    }
  };
}

/**
 * Cuts pieces at the matches, each of which goes where `behavior` says; an empty match is a cut. With `invert` what is
 * between the matches goes there.
 */
function splitStep(find: FindMatches, behavior: Behavior, invert = false): Step {
  if (behavior === "Isolated") return isolatedStep(find);
  return ({ pieces, atStart }) => {
    const cuts: string[] = [];
    let startsAtStart = atStart;
    for (const [index, piece] of pieces.entries()) {
      const parts = partsOf(piece, find, invert);
      if (behavior === "Removed" && index === 0 && parts[0]?.isMatch) startsAtStart = false;
      for (const [from, to] of joined(parts, behavior)) if (from < to) cuts.push(piece.slice(from, to));
    }
    return { pieces: cuts, atStart: startsAtStart };
  };
}

/** Cuts pieces before and behind each match. Nearly all tokenizers do no more, so this one makes no list of parts. */
function isolatedStep(find: FindMatches): Step {
  return ({ pieces, atStart }) => {
    const cuts: string[] = [];
    for (const piece of pieces) {
      let end = 0;
      for (const [from, to] of find(piece)) {
        if (end < from) cuts.push(piece.slice(end, from));
        if (from < to) cuts.push(piece.slice(from, to));
        end = to;
      }
      if (end < piece.length) cuts.push(piece.slice(end));
    }
    return { pieces: cuts, atStart };
  };
}

interface Cut {
  readonly from: number;
  readonly to: number;
  readonly isMatch: boolean;
}

function partsOf(piece: string, find: FindMatches, invert: boolean): Cut[] {
  const parts: Cut[] = [];
  let end = 0;
  for (const [from, to] of find(piece)) {
    if (end < from) parts.push({ from: end, to: from, isMatch: invert });
    parts.push({ from, to, isMatch: !invert });
    end = to;
  }
  if (end < piece.length) parts.push({ from: end, to: piece.length, isMatch: invert });
  return parts;
}

/** The bounds of the pieces that parts make, as tokenizers' `NormalizedString::split` joins them. */
function joined(parts: readonly Cut[], behavior: Behavior): [from: number, to: number][] {
  const bounds: [from: number, to: number][] = [];
  const joins = (at: number, before: number) => {
    const [now, last] = [parts[at]!.isMatch, parts[before]?.isMatch ?? false];
    if (behavior === "Contiguous") return now === last;
    return behavior.startsWith("MergedWith") && now && !last;
  };
  if (behavior === "MergedWithNext") {
    for (let at = parts.length - 1; at >= 0; at--) {
      const { from, to } = parts[at]!;
      if (joins(at, at + 1) && bounds.length > 0) bounds.at(-1)![0] = from;
      else bounds.push([from, to]);
    }
    return bounds.reverse();
  }
  for (const [at, { from, to, isMatch }] of parts.entries()) {
    if (behavior === "Removed" && isMatch) continue;
    if (joins(at, at - 1) && bounds.length > 0) bounds.at(-1)![1] = to;
    else bounds.push([from, to]);
  }
  return bounds;
}

function isBehavior(behavior: unknown): behavior is Behavior {
  return BEHAVIORS.includes(behavior);
}

function isContent(value: unknown): value is string {
  return typeof value === "string" && value.length <= MAX_CONTENT;
}

function tooLong(): Error {
  return new Error("Cannot encode the text: the tokenizer's normalizer makes it too long; use a GGUF of the model");
}
