import type { Budget } from "./budget.ts";
import { formatPercent } from "./format.ts";
import { textOf } from "./text.ts";
import { compare, equals } from "./compare.ts";
import {
  Dict,
  DictView,
  iterate,
  numberOf,
  payForKey,
  Range,
  Tuple,
  typeError,
  typeName,
  Undefined,
  type Value,
} from "./values.ts";

/** Python writes no int of more than 4300 digits; one of that size is dear to compute with. */
const LARGEST_INT = 1n << 14284n;
const CHEAP_INT = 1n << 256n;

const large = (value: bigint, limit: bigint) => value > limit || value < -limit;

/** `a operator b` for Python's operators of arithmetic and `~`. Throws an Error where Python does. */
export function arithmetic(operator: string, a: Value, b: Value, budget: Budget): Value {
  if (operator === "~") return concatenate([a, b], budget);
  const [x, y] = [numberOf(a), numberOf(b)];
  if (x !== undefined && y !== undefined) {
    if (typeof x === "bigint" && typeof y === "bigint" && operator !== "/") return ofInts(operator, x, y, budget);
    return ofFloats(operator, Number(x), Number(y));
  }
  if (operator === "+") {
    if (typeof a === "string" && typeof b === "string") return concatenate([a, b], budget);
    const [items, others] = [a, b].map((value) => value instanceof Tuple ? value.items : value);
    if (typeName(a) === typeName(b) && Array.isArray(items) && Array.isArray(others)) {
      budget.items(items.length + others.length);
      const all = [...items, ...others];
      return a instanceof Tuple ? new Tuple(all) : all;
    }
  }
  if (operator === "*") {
    const [sequence, count] = typeof x === "bigint" ? [b, x] : [a, y];
    if (typeof count === "bigint") {
      if (typeof sequence === "string") return repeatText(sequence, count, budget);
      if (Array.isArray(sequence)) return repeatItems(sequence, count, budget);
      if (sequence instanceof Tuple) return new Tuple(repeatItems(sequence.items, count, budget));
    }
  }
  if (operator === "%" && typeof a === "string") return formatPercent(a, b, budget);
  throw typeError(`unsupported operand type(s) for ${operator}: '${typeName(a)}' and '${typeName(b)}'`, a, b);
}

/** `-value` or `+value`. */
export function signed(operator: string, value: Value, budget: Budget): Value {
  const number = numberOf(value);
  if (typeof number === "bigint") payForInt(number, budget);
  if (number === undefined) throw typeError(`bad operand type for unary ${operator}: '${typeName(value)}'`, value);
  return operator === "-" ? -number : number;
}

/** The values' texts one after the other. */
export function concatenate(values: readonly Value[], budget: Budget): string {
  const texts = values.map((value) => textOf(value, budget));
  budget.text(texts.reduce((sum, text) => sum + text.length, 0));
  return texts.join("");
}

/** Pays for an operation with an int, which may have 4300 digits and 2 kB. */
function payForInt(value: bigint, budget: Budget): void {
  if (large(value, CHEAP_INT)) budget.items(1000);
}

function ofInts(operator: string, a: bigint, b: bigint, budget: Budget): bigint | number {
  payForInt(a, budget);
  payForInt(b, budget);
  const result = intResult(operator, a, b, budget);
  if (typeof result === "bigint" && large(result, LARGEST_INT)) throw new Error("an int has more than 4300 digits");
  return result;
}

function intResult(operator: string, a: bigint, b: bigint, budget: Budget): bigint | number {
  switch (operator) {
    case "+":
      return a + b;
    case "-":
      return a - b;
    case "*":
      return a * b;
    case "**": {
      if (b < 0n) return ofFloats(operator, Number(a), Number(b));
      if (a === 0n || a === 1n || a === -1n) return b === 0n || (a === -1n && b % 2n === 0n) ? 1n : a;
      if (b > 14284n || Number(b) * Math.log2(Math.abs(Number(a))) > 14300) {
        throw new Error("an int has more than 4300 digits");
      }
      budget.spend(Number(b) / 4);
      return a ** b;
    }
  }
  if (b === 0n) throw new Error("integer division or modulo by zero");
  const remainder = ((a % b) + b) % b;
  return operator === "%" ? remainder : (a - remainder) / b;
}

function ofFloats(operator: string, a: number, b: number): number {
  switch (operator) {
    case "+":
      return a + b;
    case "-":
      return a - b;
    case "*":
      return a * b;
    case "**": {
      if (a === 0 && b < 0) throw new Error("0.0 cannot be raised to a negative power");
      if (a < 0 && !Number.isInteger(b)) throw new Error("a negative number cannot be raised to a fraction");
      return a === 1 ? 1 : a ** b;
    }
  }
  if (b === 0) throw new Error(operator === "/" ? "division by zero" : "float floor division or modulo by zero");
  if (operator === "/") return a / b;
  let remainder = a % b;
  if (remainder !== 0 && (remainder < 0) !== (b < 0)) remainder += b;
  // A zero has the sign that CPython gives it.
  if (operator === "%") return remainder === 0 ? (b < 0 ? -0 : 0) : remainder;
  return Math.round((a - remainder) / b) || (a / b < 0 || Object.is(a / b, -0) ? -0 : 0);
}

function repeatText(text: string, count: bigint, budget: Budget): string {
  const times = Math.max(0, Number(count));
  budget.text(text.length * times);
  return text.length === 0 ? "" : text.repeat(times);
}

function repeatItems(items: readonly Value[], count: bigint, budget: Budget): Value[] {
  const times = Math.max(0, Number(count));
  budget.items(items.length * times);
  return items.length === 0 ? [] : Array.from({ length: items.length * times }, (_, i) => items[i % items.length]!);
}

/** `needle in haystack`. */
export function contains(haystack: Value, needle: Value, budget: Budget): boolean {
  if (typeof haystack === "string") {
    if (typeof needle !== "string") {
      throw new Error(`'in <string>' requires string as left operand, not ${typeName(needle)}`);
    }
    budget.search(haystack.length, needle.length);
    return haystack.includes(needle);
  }
  payForKey(needle, budget);
  if (haystack instanceof Dict) return haystack.has(needle);
  if (haystack instanceof DictView && haystack.typeName === "dict_keys") return haystack.dict.has(needle);
  if (haystack instanceof Range) {
    const number = numberOf(needle);
    if (number === undefined || !Number.isInteger(Number(number))) return false;
    return haystack.at((Number(number) - haystack.start) / haystack.step) === BigInt(number);
  }
  if (isNotIterable(haystack)) throw new Error(`argument of type '${typeName(haystack)}' is not iterable`);
  for (const item of iterate(haystack, budget)) if (equals(item, needle, budget)) return true;
  return false;
}

const isNotIterable = (value: Value) => value === null || numberOf(value) !== undefined;

const COMPARISONS: Readonly<Record<string, (order: number) => boolean>> = {
  "<": (order) => order < 0,
  "<=": (order) => order <= 0,
  ">": (order) => order > 0,
  ">=": (order) => order >= 0,
};

/** `a operator b` for Python's operators of comparison. */
export function compares(operator: string, a: Value, b: Value, budget: Budget): boolean {
  if (operator === "==") return equals(a, b, budget);
  if (operator === "!=") return !equals(a, b, budget);
  if (operator === "in") return contains(b, a, budget);
  if (operator === "not in") return !contains(b, a, budget);
  if (a instanceof Undefined || b instanceof Undefined) throw typeError("", a, b);
  return COMPARISONS[operator]!(compare(a, b, operator, budget));
}
