import { quote } from "../util/text.ts";
import { all, any, look, type Regex, set, widthOf } from "./regex-tree.ts";

/** The longest pattern. Published ones have up to 700 letters, those with lists of characters some thousand. */
const MAX_LENGTH = 20_000;
const MAX_DEPTH = 50;
/** The longest text that a look behind may match. */
const MAX_BEHIND = 32;

const WORD = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}";
/** What Oniguruma's `\w` has outside a class: ¹, ², ³, ¼, ½ and ¾ too. */
const WORD_ALONE = WORD + "\\u{b2}\\u{b3}\\u{b9}\\u{bc}-\\u{be}";
/** The items of a class that an escape stands for. Oniguruma's `\s` is Unicode's white space, JavaScript's is not. */
const ESCAPES: Readonly<Record<string, string>> = {
  d: "\\p{Nd}",
  w: WORD,
  s: "\\p{White_Space}",
  h: "0-9a-fA-F",
};
const POSIX: Readonly<Record<string, string>> = {
  alnum: "\\p{Alphabetic}\\p{Nd}",
  alpha: "\\p{Alphabetic}",
  ascii: "\\p{ASCII}",
  blank: "\\p{Zs}\\t",
  cntrl: "\\p{Cc}",
  digit: "\\p{Nd}",
  graph: "[^\\p{White_Space}\\p{Cc}\\p{Cn}\\p{Cs}]",
  lower: "\\p{Lowercase}",
  print: "[^\\p{Cc}\\p{Cn}\\p{Cs}]",
  punct: "\\p{P}\\p{S}",
  space: "\\p{White_Space}",
  upper: "\\p{Uppercase}",
  word: WORD,
  xdigit: "0-9a-fA-F",
};
const CONTROLS: Readonly<Record<string, number>> = { t: 9, n: 10, v: 11, f: 12, r: 13, a: 7, e: 27 };
/** Letters whose other case is not the only one that Unicode's simple case folding makes equal to them. */
const MORE_CASES: Readonly<Record<string, string>> = { s: "\u017f", k: "\u212a", å: "\u212b" };

const ANY = set("\\p{Any}");
const LINE_END = set("\\n");
const WORD_SET = set(WORD_ALONE);
const BOUNDARY = any(
  all(look(WORD_SET, true, false), look(WORD_SET, false, true)),
  all(look(WORD_SET, true, true), look(WORD_SET, false, false)),
);
const ANCHORS: Readonly<Record<string, Regex>> = {
  A: look(ANY, true, true),
  z: look(ANY, false, true),
  Z: look(all({ kind: "repeat", part: LINE_END, min: 0, max: 1, lazy: false }, look(ANY, false, true)), false, false),
  b: BOUNDARY,
  B: look(BOUNDARY, false, true),
};

const letter = (code: number) => `\\u{${code.toString(16)}}`;
const codeOf = (text: string) => text.codePointAt(0)!;

/**
 * Parses a pattern in the syntax of Oniguruma, which Hugging Face's tokenizers use (doc/RE in kkos/oniguruma). Throws
 * an Error of one line where a pattern is none, or has back references or other things that no tokenizer needs.
 */
export function parseRegex(pattern: string): Regex {
  return new Parser(pattern).parse();
}

class Parser {
  readonly #pattern: string;
  readonly #letters: readonly string[];
  #at = 0;
  #depth = 0;
  #flags = { ignoreCase: false, dotAll: false, extended: false };

  constructor(pattern: string) {
    this.#pattern = pattern;
    if (pattern.length > MAX_LENGTH) {
      throw this.#error(`it has ${pattern.length} letters, wanted ${MAX_LENGTH} at most`);
    }
    this.#letters = Array.from(pattern);
  }

  parse(): Regex {
    const regex = this.#alternatives();
    if (this.#at < this.#letters.length) throw this.#error('it has a ")" too many');
    return regex;
  }

  #error(state: string): Error {
    return new Error(`Cannot read the tokenizer's pattern ${quote(this.#pattern)}: ${state}; use a GGUF of the model`);
  }

  #peek(text: string): boolean {
    return text === "" || Array.from(text).every((one, i) => this.#letters[this.#at + i] === one);
  }

  #take(text: string): boolean {
    if (!this.#peek(text)) return false;
    this.#at += Array.from(text).length;
    return true;
  }

  #next(): string {
    const next = this.#letters[this.#at++];
    if (next === undefined) throw this.#error("it ends too early");
    return next;
  }

  /** Takes the letters up to `end`, and `end` itself. */
  #until(end: string): string {
    let text = "";
    while (!this.#take(end)) text += this.#next();
    return text;
  }

  #alternatives(): Regex {
    if (++this.#depth > MAX_DEPTH) throw this.#error(`it is nested more than ${MAX_DEPTH} deep`);
    const flags = this.#flags;
    const parts: Regex[] = [];
    do parts.push(this.#sequence()); while (this.#take("|"));
    this.#flags = flags;
    this.#depth--;
    return any(...parts);
  }

  #sequence(): Regex {
    const parts: Regex[] = [];
    while (this.#at < this.#letters.length && !this.#peek("|") && !this.#peek(")")) {
      if (this.#flags.extended && /^\s$/.test(this.#letters[this.#at]!)) this.#at++;
      else if (this.#flags.extended && this.#take("#")) {
        while (this.#at < this.#letters.length && this.#next() !== "\n");
      } else if (this.#take("(?#")) this.#until(")");
      else parts.push(this.#quantified());
    }
    return all(...parts);
  }

  #quantified(): Regex {
    let part = this.#atom();
    for (;;) {
      const bounds = this.#bounds();
      if (bounds === undefined) return part;
      const [min, max, isInterval] = bounds;
      // In Oniguruma's own syntax {n,m}+ is a repeat of a repeat, while ++, *+ and ?+ give nothing back.
      const lazy = this.#take("?");
      part = { kind: "repeat", part, min, max, lazy };
      if (!lazy && !isInterval && this.#take("+")) part = { kind: "atomic", part };
    }
  }

  #bounds(): [min: number, max: number, isInterval: boolean] | undefined {
    if (this.#take("*")) return [0, Infinity, false];
    if (this.#take("+")) return [1, Infinity, false];
    if (this.#take("?")) return [0, 1, false];
    const [whole, from, comma, to] =
      /^\{(\d{0,5})(,?)(\d{0,5})\}/.exec(this.#letters.slice(this.#at, this.#at + 13).join("")) ?? [];
    if (whole === undefined || (from === "" && to === "")) return undefined;
    this.#at += whole.length;
    const [min, max] = [Number(from), to !== "" ? Number(to) : comma ? Infinity : Number(from)];
    if (max < min) throw this.#error(`it has ${quote(whole)}`);
    return [min, max, true];
  }

  #atom(): Regex {
    if (this.#take("(")) return this.#group();
    if (this.#take("[")) return set(this.#classItems());
    if (this.#take(".")) return this.#flags.dotAll ? ANY : set("\\n", true);
    if (this.#take("^")) return any(look(ANY, true, true), look(LINE_END, true, false));
    if (this.#take("$")) return any(look(ANY, false, true), look(LINE_END, false, false));
    if (this.#take("\\")) return this.#escape();
    const next = this.#next();
    if ("*+?".includes(next)) throw this.#error(`it has a ${quote(next)} behind nothing`);
    return set(this.#cased(codeOf(next)));
  }

  #group(): Regex {
    const end = (part: Regex) => {
      if (!this.#take(")")) throw this.#error('it lacks a ")"');
      return part;
    };
    const inside = () => end(this.#alternatives());
    if (!this.#take("?")) return inside();
    if (this.#take(":")) return inside();
    if (this.#take("=")) return look(inside(), false, false);
    if (this.#take("!")) return look(inside(), false, true);
    if (this.#take("<=")) return this.#behind(inside(), false);
    if (this.#take("<!")) return this.#behind(inside(), true);
    if (this.#take(">")) return { kind: "atomic", part: inside() };
    if (this.#take("<")) return this.#until(">"), inside();
    let on = true;
    const flags = this.#flags;
    const change = (flag: Partial<typeof flags>) => this.#flags = { ...this.#flags, ...flag };
    for (let next = this.#next();; next = this.#next()) {
      if (next === "-") on = false;
      else if (next === "i") change({ ignoreCase: on });
      else if (next === "m") change({ dotAll: on });
      else if (next === "x") change({ extended: on });
      else if (next === ")") return this.#alternatives();
      else if (next === ":") break;
      else throw this.#error(`it has a group "(?${next}"`);
    }
    const part = inside();
    this.#flags = flags;
    return part;
  }

  #behind(part: Regex, negative: boolean): Regex {
    if (widthOf(part)[1] > MAX_BEHIND) {
      throw this.#error(`it looks behind at more than ${MAX_BEHIND} characters`);
    }
    return look(part, true, negative);
  }

  #escape(): Regex {
    const next = this.#next();
    if (Object.hasOwn(ANCHORS, next)) return ANCHORS[next]!;
    if (next === "R") {
      return { kind: "atomic", part: any(all(set("\\r"), LINE_END), set("\\n-\\r\\u{85}\\u{2028}\\u{2029}")) };
    }
    if (next === "O") return ANY;
    if (next === "N") return set("\\n", true);
    if (next === "w" || next === "W") return set(WORD_ALONE, next === "W");
    this.#at--;
    return set(this.#escaped());
  }

  /** The items of a class that an escape, without its backslash, stands for. */
  #escaped(): string {
    const next = this.#next();
    if (Object.hasOwn(ESCAPES, next)) return ESCAPES[next]!;
    if (Object.hasOwn(ESCAPES, next.toLowerCase())) return `[^${ESCAPES[next.toLowerCase()]}]`;
    if (next === "p" || next === "P") {
      const name = this.#take("{") ? this.#until("}") : this.#next();
      const negative = (next === "P") !== name.startsWith("^");
      const items = this.#property(name.replace(/^\^/, ""));
      return negative ? `[^${items}]` : items;
    }
    this.#at--;
    return this.#cased(this.#escapedLetter());
  }

  /** The code point that an escape, without its backslash, stands for. */
  #escapedLetter(): number {
    const next = this.#next();
    if (Object.hasOwn(CONTROLS, next)) return CONTROLS[next]!;
    if (next === "x" || next === "u") {
      const digits = next === "x" && this.#take("{") ? this.#until("}") : this.#hex(next === "x" ? 2 : 4);
      const code = /^[0-9a-fA-F]{1,6}$/.test(digits) ? Number.parseInt(digits, 16) : Infinity;
      if (code <= 0x10ffff) return code;
      throw this.#error(`it has the letter ${quote(digits)}`);
    }
    if (next === "0") return 0;
    if (/^[A-Za-z0-9]$/.test(next)) throw this.#error(`it has ${quote("\\" + next)}, which no tokenizer here knows`);
    return codeOf(next);
  }

  #hex(most: number): string {
    let digits = "";
    while (digits.length < most && /^[0-9a-fA-F]$/.test(this.#letters[this.#at] ?? "")) digits += this.#next();
    return digits;
  }

  #property(name: string): string {
    const posix = name.toLowerCase();
    if (Object.hasOwn(POSIX, posix)) return POSIX[posix]!;
    if (/^\w+$/.test(name)) {
      const capital = name[0]!.toUpperCase() + name.slice(1).toLowerCase();
      for (const source of [name, capital, `sc=${capital}`].map((one) => `\\p{${one}}`)) {
        try {
          new RegExp(source, "v");
          return source;
        } catch {
          continue;
        }
      }
    }
    throw this.#error(`it has the property ${quote(name)}, which is unknown`);
  }

  /** The items of a class behind its "[", which may hold classes of its own and be cut with others by "&&". */
  #classItems(): string {
    if (++this.#depth > MAX_DEPTH) throw this.#error(`it is nested more than ${MAX_DEPTH} deep`);
    const negative = this.#take("^");
    const groups: string[] = [];
    let items = "";
    for (let isFirst = true;; isFirst = false) {
      if (this.#take("]") && !isFirst) break;
      if (isFirst && this.#letters[this.#at - 1] === "]") {
        items += letter(0x5d);
        continue;
      }
      if (this.#take("&&")) {
        groups.push(items);
        items = "";
      } else if (this.#take("[:")) {
        const not = this.#take("^");
        const name = this.#until(":]");
        if (!Object.hasOwn(POSIX, name)) throw this.#error(`it has the class ${quote(name)}, which is unknown`);
        items += not ? `[^${POSIX[name]}]` : `[${POSIX[name]}]`;
      } else if (this.#take("[")) items += `[${this.#classItems()}]`;
      else items += this.#classItem();
    }
    this.#depth--;
    groups.push(items);
    const cut = groups.length === 1 ? items : groups.map((group) => `[${group}]`).join("&&");
    return negative ? `[^${cut}]` : cut;
  }

  /** One letter, a range of letters, or what an escape stands for. */
  #classItem(): string {
    let from: number;
    if (this.#take("\\")) {
      const next = this.#letters[this.#at] ?? "";
      if (/^[dwshpP]$/i.test(next)) return this.#escaped();
      from = next === "b" ? (this.#at++, 8) : this.#escapedLetter();
    } else from = codeOf(this.#next());
    const isRange = this.#peek("-") && this.#letters[this.#at + 1] !== "]" && this.#at + 1 < this.#letters.length;
    if (!isRange) return this.#cased(from);
    const start = this.#at++;
    if (this.#peek("[") || (this.#peek("\\") && /^[dwshpP]$/i.test(this.#letters[this.#at + 1] ?? ""))) {
      this.#at = start + 1;
      return this.#cased(from) + letter(0x2d);
    }
    const to = this.#take("\\") ? this.#escapedLetter() : codeOf(this.#next());
    if (to < from) throw this.#error("it has a range from a higher to a lower letter");
    const range = `${letter(from)}-${letter(to)}`;
    if (!this.#flags.ignoreCase || to - from > 1000) return range;
    return range + Array.from({ length: to - from + 1 }, (_, i) => this.#cased(from + i)).join("");
  }

  /** A letter, and where case is ignored its other cases. */
  #cased(code: number): string {
    const text = String.fromCodePoint(code);
    if (!this.#flags.ignoreCase) return letter(code);
    const upper = text.toUpperCase();
    const lower = upper.toLowerCase();
    return [...new Set([text, lower, upper, MORE_CASES[lower] ?? text])]
      .filter((one) => Array.from(one).length === 1).map((one) => letter(codeOf(one))).join("");
  }
}
