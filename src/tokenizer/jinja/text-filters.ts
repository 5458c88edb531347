import type { Budget } from "./budget.ts";
import { asInt, asText, type Builtin, builtin } from "./builtin.ts";
import { cut, formatPercent, intOf } from "./format.ts";
import { roundFloat, roundInt } from "./numbers.ts";
import { signed } from "./operators.ts";
import { replaceEach, textOf } from "./text.ts";
import { capitalize, capitalizeAll, pad, replace, splitLines, strip } from "./text-methods.ts";
import { Dict, isTrue, lengthOf, numberOf, Tuple, typeError, typeName, Undefined, type Value } from "./values.ts";

/** A filter of a value's text. */
const text = (
  name: string,
  parameters: string,
  apply: (self: string, args: readonly (Value | undefined)[], budget: Budget) => Value,
): [string, Builtin] => [
  name,
  builtin<Value>(name, parameters, (self, args, budget) => apply(textOf(self, budget), args, budget)),
];

/** Its text is no more than a text: unlike Jinja2's Markup, it escapes nothing that is added to it later. */
const escape = (name: string) =>
  text(name, "", (self, _, budget) => {
    const names: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", "'": "&#39;", '"': "&#34;" };
    return replaceEach(self, /[&<>'"]/g, ([character]) => names[character]!, budget);
  });

/** Jinja2's filters of texts and numbers, by name. */
export const TEXT_FILTERS: ReadonlyMap<string, Builtin> = new Map([
  text("string", "", (self) => self),
  text("safe", "", (self) => self),
  escape("escape"),
  escape("e"),
  escape("forceescape"),
  text("upper", "", (self) => self.toUpperCase()),
  text("lower", "", (self) => self.toLowerCase()),
  text("capitalize", "", capitalize),
  text("title", "", (self, _, budget) => capitalizeAll(self, /[^-\s({[<]+/gu, budget)),
  text("trim", "chars?", (self, [chars]) => strip(self, chars, true, true)),
  text("center", "width?", (self, [width = 80n], budget) => pad(self, width, undefined, "center", budget)),
  text(
    "replace",
    "old new count?",
    (self, [old, by, count = null], budget) =>
      replace(self, textOf(old!, budget), textOf(by!, budget), asInt(count, "count", -1), budget),
  ),
  text("wordcount", "", (self, _, budget) => {
    let count = 0n;
    for (const _word of self.matchAll(/[\p{L}\p{N}_]+/gu)) {
      budget.spend(2);
      count++;
    }
    return count;
  }),
  ["indent", builtin("indent", "width? first? blank?", indent)],
  ["truncate", builtin("truncate", "length? killwords? end? leeway?", truncate)],
  ["format", (self, { positional, named }, budget) => {
    if (positional.length > 0 && named.size > 0) {
      throw new Error("can't handle positional and keyword arguments at once");
    }
    const values = named.size > 0 ? new Dict(named) : new Tuple(positional);
    return formatPercent(textOf(self, budget), values, budget);
  }],
  [
    "int",
    builtin(
      "int",
      "default? base?",
      (self, [otherwise = 0n, base], budget) => toInt(self, asInt(base, "base", 10), budget) ?? otherwise,
    ),
  ],
  [
    "float",
    builtin("float", "default?", (self, [otherwise = 0], budget) => {
      const float = toFloat(self, budget);
      return float === undefined ? otherwise : float;
    }),
  ],
  [
    "abs",
    builtin("abs", "", (self, _, budget) => {
      const number = numberOf(self);
      if (number === undefined) throw typeError(`bad operand type for abs(): '${typeName(self)}'`, self);
      return number < 0 || Object.is(number, -0) ? signed("-", number, budget) : number;
    }),
  ],
  ["round", builtin("round", "precision? method?", round)],
]);

function indent(
  value: Value,
  [width = 4n, first = false, blank = false]: readonly (Value | undefined)[],
  budget: Budget,
): string {
  const self = asText(value, "a value to indent");
  if (typeof width !== "string") budget.text(Math.max(0, asInt(width, "width")));
  const unit = typeof width === "string" ? width : " ".repeat(Math.max(0, asInt(width, "width")));
  const lines = splitLines(`${self}\n`, false, budget);
  budget.text(self.length + lines.length * unit.length);
  const indented = lines.map((line, i) => i > 0 && (isTrue(blank) || line !== "") ? unit + line : line).join("\n");
  return (isTrue(first) ? unit : "") + indented;
}

function truncate(
  self: Value,
  [length, killsWords = false, end = "...", leeway]: readonly (Value | undefined)[],
  budget: Budget,
): Value {
  const mark = asText(end, "end");
  const limit = asInt(length, "length", 255);
  const count = lengthOf(self, budget);
  if (limit < mark.length) throw new Error(`expected length >= ${mark.length}, got ${limit}`);
  if (count === undefined) throw typeError(`object of type '${typeName(self)}' has no len()`, self);
  if (count <= limit + asInt(leeway, "leeway", 5)) return self;
  const kept = cut(asText(self, "a value to truncate"), limit - mark.length, budget);
  return (isTrue(killsWords) ? kept : kept.slice(0, kept.includes(" ") ? kept.lastIndexOf(" ") : undefined)) + mark;
}

/** Python's int() of a text or a number; undefined where it is none. */
function toInt(value: Value, base: number, budget: Budget): bigint | undefined {
  if (typeof value === "string") {
    const digits = replaceEach(value.trim(), /(?<=[\da-z])_(?=[\da-z])/gi, () => "", budget);
    const match = /^([+-]?)(?:0[xob])?([\da-z]+)$/i.exec(digits);
    const [, sign, body] = match ?? [];
    if (body !== undefined && body.length <= 4300 && Array.from(body).every((digit) => parseInt(digit, 36) < base)) {
      budget.spend(body.length);
      if (base === 10 && /^[+-]?\d+$/.test(digits)) return BigInt(body) * (sign === "-" ? -1n : 1n);
      const prefix = ({ 2: "0b", 8: "0o", 16: "0x" } as Record<number, string>)[base];
      if (base !== 10 && prefix) return BigInt(prefix + body) * (sign === "-" ? -1n : 1n);
    }
  }
  const float = numberOf(value) ?? toFloat(value, budget);
  return typeof float === "bigint" ? float : float === undefined || !Number.isFinite(float) ? undefined : intOf(float);
}

/** Python's float() of a text or a number; undefined where it is none. */
function toFloat(value: Value, budget: Budget): number | undefined {
  const number = numberOf(value);
  if (number !== undefined) return Number(number);
  if (value instanceof Undefined) throw new Error(value.message);
  if (typeof value !== "string") return undefined;
  budget.spend(value.length / 16);
  const text = replaceEach(value.trim(), /(?<=\d)_(?=\d)/g, () => "", budget).toLowerCase();
  // Not `\d+\.?\d*`, which would try each way to share a long number's digits.
  if (/^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/.test(text)) return Number(text);
  const word = /^([+-]?)(?:(inf|infinity)|nan)$/.exec(text);
  return word ? (word[2] ? (word[1] === "-" ? -Infinity : Infinity) : NaN) : undefined;
}

function round(
  self: Value,
  [precision, method = "common"]: readonly (Value | undefined)[],
  budget: Budget,
): Value {
  // It computes with ints of thousands of digits.
  budget.items(500);
  const number = numberOf(self);
  if (number === undefined) throw typeError(`type ${typeName(self)} doesn't define __round__ method`, self);
  const places = asInt(precision, "precision", 0);
  if (method === "common") {
    if (typeof number === "number") return roundFloat(number, places);
    return places >= 0 ? number : roundInt(number, -places);
  }
  if (method !== "ceil" && method !== "floor") throw new Error("method must be common, ceil or floor");
  // Python's floor() and ceil() give an int, which has no negative zero.
  return (Math[method](Number(number) * 10 ** places) + 0) / 10 ** places;
}
