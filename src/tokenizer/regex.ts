import { parseRegex } from "./regex-syntax.ts";
import { type Regex, widthOf } from "./regex-tree.ts";

/** Finds the parts of a text that a pattern matches, from left to right; each is [begin, end) in UTF-16 units. */
export type FindMatches = (text: string) => Iterable<readonly [begin: number, end: number]>;

/**
 * How many steps the patterns of one tokenizer may take: so many at all times, and so many for each character beside.
 * A published pattern takes some 30 a character. 20 million take a second.
 */
const STEPS = 20_000_000;
const STEPS_PER_CHARACTER = 100;
/** The longest program: a repeat {n,m} is written out. */
const MAX_INSTRUCTIONS = 10_000;

/** Counts the steps that a stranger's patterns take: they may be such that a search takes longer than anyone waits. */
export class StepBudget {
  #left = STEPS;

  /** More text is searched. */
  allow(characters: number): void {
    this.#left = Math.min(this.#left + STEPS_PER_CHARACTER * characters, 2 * STEPS + STEPS_PER_CHARACTER * characters);
  }

  /** Throws an Error where that is too many. */
  spend(steps: number): void {
    this.#left -= steps;
    if (this.#left > 0) return;
    throw new Error("Cannot encode the text: the tokenizer's patterns take too long; use a GGUF of the model");
  }
}

/**
 * A pattern for JavaScript's own engine. Only a pattern that is known to take little time may be searched for so:
 * nothing ends a search of that engine.
 */
export function nativeMatches(pattern: string): FindMatches {
  let groups = 0;
  const write = (regex: Regex): string => {
    switch (regex.kind) {
      case "set":
        return regex.source;
      case "all":
        return regex.parts.map(write).join("");
      case "any":
        return `(?:${regex.parts.map(write).join("|")})`;
      case "look":
        return `(?${regex.behind ? "<" : ""}${regex.negative ? "!" : "="}${write(regex.part)})`;
      case "atomic": {
        // A look ahead is never gone back into, and the reference takes what it has found.
        const name = `g${groups++}`;
        return `(?=(?<${name}>${write(regex.part)}))\\k<${name}>`;
      }
      case "repeat": {
        const { min, max, lazy } = regex;
        const part = regex.part.kind === "set" ? write(regex.part) : `(?:${write(regex.part)})`;
        return `${part}{${min},${max === Infinity ? "" : max}}${lazy ? "?" : ""}`;
      }
    }
  };
  const native = new RegExp(write(parseRegex(pattern)), "gv");
  // Not `matchAll`, which makes a new expression each time: there may be a text for each digit.
  return function* (text) {
    for (let at = 0; at <= text.length;) {
      native.lastIndex = at;
      const match = native.exec(text);
      if (!match) return;
      const end = match.index + match[0].length;
      yield [match.index, end];
      at = end > match.index ? end : after(text, end);
    }
  };
}

/** An instruction of the matcher's program; a number is an index in the program. */
type Instruction =
  | { readonly op: "set"; readonly has: (code: number) => boolean }
  | { readonly op: "split"; readonly first: number; readonly second: number }
  | { readonly op: "jump"; readonly to: number }
  /** Notes the place at which an iteration of a loop begins. */
  | { readonly op: "mark"; readonly register: number }
  /** Leaves a loop whose iteration has matched nothing. */
  | { readonly op: "moved"; readonly register: number; readonly exit: number }
  /** Matches the program from here to its own end by itself: an atomic group, or a look. */
  | { readonly op: "inner"; readonly exit: number; readonly look?: { behind?: [number, number]; negative: boolean } }
  | { readonly op: "end" };

/**
 * A pattern of a stranger, searched for by a matcher of our own, which tries one possibility after the other as
 * Oniguruma does, and counts its steps. Throws an Error where the pattern is none, or too long.
 */
export function boundedMatches(pattern: string, budget: StepBudget): FindMatches {
  const program = compile(parseRegex(pattern));
  return function* (text) {
    const matcher = new Matcher(program, text, budget);
    for (let at = 0; at <= text.length;) {
      const end = matcher.matchAt(at);
      if (end >= 0) yield [at, end];
      at = end > at ? end : after(text, at);
    }
  };
}

/** The place behind the character at this one. */
function after(text: string, at: number): number {
  return at + ((text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1);
}

function compile(regex: Regex): Instruction[] {
  const program: Instruction[] = [];
  const sets = new Map<string, (code: number) => boolean>();
  let registers = 0;
  const add = (instruction: Instruction): number => {
    if (program.length >= MAX_INSTRUCTIONS) {
      throw new Error("Cannot read the tokenizer's pattern: it repeats too much; use a GGUF of the model");
    }
    return program.push(instruction) - 1;
  };
  const inner = (part: Regex, look?: { behind?: [number, number]; negative: boolean }) => {
    const at = add({ op: "end" });
    write(part);
    add({ op: "end" });
    program[at] = { op: "inner", exit: program.length, look };
  };
  /** Either what `first` writes or what `second` does. */
  const branch = (first: () => void, second: (() => void) | undefined, swapped = false) => {
    const split = add({ op: "end" });
    first();
    const jump = second ? add({ op: "end" }) : -1;
    const other = program.length;
    program[split] = { op: "split", first: swapped ? other : split + 1, second: swapped ? split + 1 : other };
    second?.();
    if (second) program[jump] = { op: "jump", to: program.length };
  };
  const loop = (part: Regex, lazy: boolean) => {
    const start = program.length;
    branch(
      () => {
        if (widthOf(part)[0] > 0) {
          write(part);
          add({ op: "jump", to: start });
          return;
        }
        const register = registers++;
        add({ op: "mark", register });
        write(part);
        const moved = add({ op: "end" });
        add({ op: "jump", to: start });
        program[moved] = { op: "moved", register, exit: program.length };
      },
      undefined,
      lazy,
    );
  };
  const optional = (part: Regex, times: number, lazy: boolean) => {
    if (times > 0) branch(() => (write(part), optional(part, times - 1, lazy)), undefined, lazy);
  };
  const write = (regex: Regex): void => {
    switch (regex.kind) {
      case "set": {
        const has = sets.get(regex.source) ?? memberTest(regex.source);
        sets.set(regex.source, has);
        add({ op: "set", has });
        break;
      }
      case "all":
        for (const part of regex.parts) write(part);
        break;
      case "any": {
        const [first, ...others] = regex.parts;
        if (others.length === 0) write(first!);
        else branch(() => write(first!), () => write({ kind: "any", parts: others }));
        break;
      }
      case "atomic":
        inner(regex.part);
        break;
      case "look":
        inner(regex.part, { behind: regex.behind ? widthOf(regex.part) : undefined, negative: regex.negative });
        break;
      case "repeat":
        for (let i = 0; i < regex.min; i++) write(regex.part);
        if (regex.max === Infinity) loop(regex.part, regex.lazy);
        else optional(regex.part, regex.max - regex.min, regex.lazy);
    }
  };
  write(regex);
  add({ op: "end" });
  return program;
}

/** Whether a class has a code point. What it says of one below 65536 is asked once. */
function memberTest(source: string): (code: number) => boolean {
  const native = new RegExp(`^${source}$`, "v");
  const known = new Uint8Array(0x10000);
  return (code) => {
    if (code > 0xffff) return native.test(String.fromCodePoint(code));
    if (known[code] === 0) known[code] = native.test(String.fromCodePoint(code)) ? 2 : 1;
    return known[code] === 2;
  };
}

class Matcher {
  readonly #program: readonly Instruction[];
  readonly #text: string;
  readonly #budget: StepBudget;
  readonly #registers: number[] = [];
  /**
   * What is to be tried where this comes to nothing: an instruction and a place, or, as -1 - register and its value
   * before, what is to be undone.
   */
  readonly #others: number[] = [];

  constructor(program: readonly Instruction[], text: string, budget: StepBudget) {
    this.#program = program;
    this.#text = text;
    this.#budget = budget;
  }

  /** Where a match that begins here ends; -1 where there is none. */
  matchAt(at: number): number {
    return this.#run(0, at);
  }

  #run(start: number, begin: number): number {
    const [text, others] = [this.#text, this.#others];
    const bottom = others.length;
    let [index, at, steps] = [start, begin, 0];
    for (;;) {
      if (++steps === 1000) {
        this.#budget.spend(steps);
        steps = 0;
      }
      const instruction = this.#program[index]!;
      let fits = true;
      switch (instruction.op) {
        case "set": {
          const code = text.codePointAt(at);
          fits = code !== undefined && instruction.has(code);
          if (fits) at += code! > 0xffff ? 2 : 1;
          index++;
          break;
        }
        case "split":
          others.push(instruction.second, at);
          index = instruction.first;
          break;
        case "jump":
          index = instruction.to;
          break;
        case "mark":
          others.push(-1 - instruction.register, this.#registers[instruction.register] ?? -1);
          this.#registers[instruction.register] = at;
          index++;
          break;
        case "moved":
          index = this.#registers[instruction.register] === at ? instruction.exit : index + 1;
          break;
        case "inner": {
          const { look } = instruction;
          if (!look) {
            const end = this.#run(index + 1, at);
            fits = end >= 0;
            if (fits) at = end;
          } else if (look.behind) fits = this.#endsAt(index + 1, at, look.behind) !== look.negative;
          else fits = (this.#run(index + 1, at) >= 0) !== look.negative;
          index = instruction.exit;
          break;
        }
        case "end":
          others.length = bottom;
          this.#budget.spend(steps);
          return at;
      }
      while (!fits) {
        if (others.length === bottom) {
          this.#budget.spend(steps);
          return -1;
        }
        at = others.pop()!;
        index = others.pop()!;
        fits = index >= 0;
        if (!fits) this.#registers[-1 - index] = at;
      }
    }
  }

  /** Whether one of the last characters before `at` begins a match that ends there. */
  #endsAt(start: number, at: number, [least, most]: [number, number]): boolean {
    let begin = at;
    for (let back = 0; back <= most; back++) {
      if (back >= least && this.#run(start, begin) === at) return true;
      if (begin === 0) return false;
      begin -= begin > 1 && (this.#text.codePointAt(begin - 2) ?? 0) > 0xffff ? 2 : 1;
    }
    return false;
  }
}
