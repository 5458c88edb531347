import type { Budget } from "./budget.ts";
import { Dict, DictView, Namespace, PyObject, Tuple, Undefined, type Value } from "./values.ts";

/** What Python's str.isspace() and str.strip() take as white space, for a class of a regular expression. */
export const SPACE = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";

/**
 * `text.replace(pattern, by)` for a pattern with the flag "g", its walk and each match paid for: the engine's own looks
 * for all matches before it calls `by` first, and holds them at once, which for a long text are many times its size.
 */
export function replaceEach(
  text: string,
  pattern: RegExp,
  by: (match: RegExpExecArray) => string,
  budget: Budget,
): string {
  budget.spend(text.length / 4);
  const parts: string[] = [];
  let from = 0;
  for (const match of text.matchAll(pattern)) {
    const made = by(match);
    budget.text(match.index - from + made.length);
    budget.items(1);
    parts.push(text.slice(from, match.index), made);
    from = match.index + match[0].length;
  }
  if (from === 0) return text;
  parts.push(text.slice(from));
  return parts.join("");
}

/** Python's str(). */
export function textOf(value: Value, budget: Budget): string {
  if (typeof value === "string") return value;
  if (value instanceof Undefined) return "";
  return repr(value, budget);
}

/** Python's repr(). */
export function repr(value: Value, budget: Budget): string {
  const parts: string[] = [];
  const push = (text: string) => {
    budget.text(text.length);
    parts.push(text);
  };
  const writeAll = (open: string, items: Iterable<Value>, close: string) => {
    push(open);
    let separator = "";
    for (const item of items) {
      push(separator);
      write(item);
      separator = ", ";
    }
    push(close);
  };
  const writeDict = (dict: Dict) => {
    push("{");
    let separator = "";
    for (const [key, item] of dict.entries) {
      push(separator);
      write(key);
      push(": ");
      write(item);
      separator = ", ";
    }
    push("}");
  };
  const write = (value: Value): void => {
    if (typeof value === "string") push(quoted(value, budget));
    else if (Array.isArray(value)) writeAll("[", value, "]");
    else if (value instanceof Tuple) writeAll("(", value.items, value.items.length === 1 ? ",)" : ")");
    else if (value instanceof Dict) writeDict(value);
    else if (value instanceof DictView) {
      writeAll(`${value.typeName}([`, {
        [Symbol.iterator]: () => value.iterate(),
      }, "])");
    } else if (value instanceof Namespace) {
      push("<Namespace ");
      writeDict(value.values);
      push(">");
    } else if (value instanceof PyObject) push(value.repr());
    else {
      if (typeof value === "bigint") budget.spend(Math.abs(Number(value)) > 2 ** 256 ? 500 : 1);
      push(plain(value));
    }
  };
  write(value);
  return parts.join("");
}

function plain(value: null | boolean | bigint | number): string {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "bigint") return String(value);
  return floatText(value);
}

/** A float as Python writes it: the fewest digits that give it back, with an exponent below 1e-4 and from 1e16 on. */
export function floatText(value: number): string {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value < 0 ? "-inf" : "inf";
  if (value === 0) return Object.is(value, -0) ? "-0.0" : "0.0";
  const [digits, power] = value.toExponential().split("e") as [string, string];
  const exponent = Number(power);
  if (exponent < -4 || exponent >= 16) return `${digits}e${exponentText(exponent)}`;
  const text = exponent < 0 ? value.toFixed(digits.replace(/[-.]/g, "").length - 1 - exponent) : String(value);
  return text.includes(".") ? text : `${text}.0`;
}

/** An exponent as C writes it: a sign and two digits at least. */
export function exponentText(exponent: number): string {
  return `${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
}

const ESCAPES: Readonly<Record<string, string>> = { "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** A text as Python's repr() quotes it. */
function quoted(text: string, budget: Budget): string {
  const mark = text.includes("'") && !text.includes('"') ? '"' : "'";
  const inner = replaceEach(text, /[^\x20-\x26\x28-\x5b\x5d-\x7e]/gu, ([character]) => {
    if (character === mark) return `\\${mark}`;
    if (ESCAPES[character]) return ESCAPES[character];
    if (character === "'" || !/[\p{C}\p{Z}]/u.test(character)) return character;
    const code = character.codePointAt(0)!;
    const hex = code.toString(16);
    return code < 0x100
      ? `\\x${hex.padStart(2, "0")}`
      : code < 0x10000
      ? `\\u${hex.padStart(4, "0")}`
      : `\\U${hex.padStart(8, "0")}`;
  }, budget);
  return mark + inner + mark;
}
