import type { Budget } from "./budget.ts";
import { asInt } from "./builtin.ts";
import { formatFloat } from "./numbers.ts";
import { replaceEach, repr, textOf } from "./text.ts";
import {
  type Arguments,
  characterCount,
  charactersOf,
  Dict,
  numberOf,
  Range,
  Tuple,
  typeError,
  typeName,
  Undefined,
  type Value,
} from "./values.ts";

/** Python's `template % values`. */
export function formatPercent(template: string, values: Value, budget: Budget): string {
  const positional: readonly Value[] = values instanceof Tuple ? values.items : [values];
  let used = 0;
  const next = (): Value => {
    if (used === positional.length) throw new Error("not enough arguments for format string");
    return positional[used++]!;
  };
  const directive = /%(?:\(([^)]*)\))?([-+ #0]*)(\*|\d+)?(?:\.(\*|\d*))?[hlL]?([^])?/gu;
  const formatted = replaceEach(
    template,
    directive,
    ([, key, flags = "", width, digits, type = ""]) => {
      if (type === "%") return "%";
      const minimum = width === "*" ? asInt(next(), "* wants") : Number(width ?? 0);
      const precision = digits === "*" ? asInt(next(), "* wants") : digits === undefined ? undefined : Number(digits);
      let value: Value;
      if (key === undefined) value = next();
      else {
        if (!(values instanceof Dict)) throw new Error("format requires a mapping");
        const found = values.get(key);
        if (found === undefined) throw new Error(`KeyError: ${repr(key, budget)}`);
        value = found;
      }
      budget.text(Math.abs(minimum) + (precision ?? 0));
      budget.spend(100);
      const [sign, body] = percentValue(value, type, flags, precision, budget);
      const isLeft = flags.includes("-") || minimum < 0;
      const missing = Math.max(0, Math.abs(minimum) - sign.length - characterCount(body, budget));
      if (isLeft) return sign + body + " ".repeat(missing);
      const isZero = flags.includes("0") && !/[sracS]/.test(type) && /\d/.test(body);
      return isZero ? sign + "0".repeat(missing) + body : " ".repeat(missing) + sign + body;
    },
    budget,
  );
  // What has elements by keys may go unused.
  const isMapping = Array.isArray(values) || [Dict, Range, Undefined].some((type) => values instanceof type);
  if (used < positional.length && !isMapping) {
    throw new Error("not all arguments converted during string formatting");
  }
  return formatted;
}

/** A value by a directive of `%`: its sign or prefix, and the rest. */
function percentValue(
  value: Value,
  type: string,
  flags: string,
  precision: number | undefined,
  budget: Budget,
): [string, string] {
  if (/[sra]/.test(type)) {
    const text = type === "s" ? textOf(value, budget) : repr(value, budget);
    return ["", precision === undefined ? text : cut(text, precision, budget)];
  }
  if (type === "c") {
    const character = typeof value === "string" ? value : String.fromCodePoint(asInt(value, "%c wants"));
    if (Array.from(character.slice(0, 3)).length !== 1) throw new Error("%c requires int or char");
    return ["", character];
  }
  const number = numberOf(value);
  const isInt = /[diuxXo]/.test(type);
  if (!isInt && !/[eEfFgG]/.test(type)) throw new Error(`unsupported format character '${type}'`);
  if (number === undefined || (typeof number === "number" && /[xXo]/.test(type))) {
    throw typeError(`%${type} format: a number is required, not ${typeName(value)}`, value);
  }
  const plus = flags.includes("+") ? "+" : flags.includes(" ") ? " " : "";
  if (isInt) {
    const int = typeof number === "bigint" ? number : intOf(number);
    const prefix = flags.includes("#") && /[xXo]/.test(type) ? `0${type}` : "";
    return [(int < 0n ? "-" : plus) + prefix, intText(int, type).padStart(precision ?? 0, "0")];
  }
  const float = Number(number);
  const isNegative = float < 0 || Object.is(float, -0);
  return [isNegative ? "-" : plus, formatFloat(float, type, precision ?? 6, flags.includes("#"))];
}

/** A float's whole part, as Python's int() takes it. */
export function intOf(value: number): bigint {
  if (!Number.isFinite(value)) {
    throw new Error(`cannot convert float ${Number.isNaN(value) ? "NaN" : "infinity"} to integer`);
  }
  return BigInt(Math.trunc(value));
}

/** The digits of an int without its sign. */
function intText(value: bigint, type: string): string {
  const digits = (value < 0n ? -value : value).toString(
    /x/i.test(type) ? 16 : type === "o" ? 8 : type === "b" ? 2 : 10,
  );
  return type === "X" ? digits.toUpperCase() : digits;
}

/** The first `length` characters of a text. */
export function cut(text: string, length: number, budget: Budget): string {
  const part = charactersOf(text, budget).slice(0, length);
  return typeof part === "string" ? part : part.join("");
}

/** How a replacement field of `format()` reads further into its value. */
export interface Lookup {
  attribute(value: Value, name: string): Value;
  item(value: Value, key: Value): Value;
}

/** Python's `template.format(...)`. */
export function formatBraces(template: string, call: Arguments, lookup: Lookup, budget: Budget): string {
  let automatic = 0;
  const valueOf = (field: string): Value => {
    budget.spend(20);
    const [, first = "", rest = ""] = /^([^.[]*)([^]*)$/.exec(field)!;
    const index = first === "" ? automatic++ : /^\d+$/.test(first) ? Number(first) : undefined;
    let value = index === undefined ? call.named.get(first) : call.positional[index];
    if (value === undefined) throw new Error(`format() lacks the value of {${first}}`);
    for (const [, attribute, key] of rest.matchAll(/\.([^.[]+)|\[([^\]]*)\]/g)) {
      budget.spend(5);
      if (attribute !== undefined) value = lookup.attribute(value, attribute);
      else value = lookup.item(value, /^\d+$/.test(key!) ? BigInt(key!) : key!);
    }
    return value;
  };
  const fill = (text: string, depth: number): string => {
    let out = "";
    const brace = /\{\{|\}\}|[{}]/g;
    let from = 0;
    for (let match; (match = brace.exec(text)); from = brace.lastIndex) {
      out += text.slice(from, match.index);
      if (match[0].length === 2 && depth === 0) {
        out += match[0][0];
        continue;
      }
      if (match[0] !== "{" || depth === 2) throw new Error(`Single '${match[0][0]}' encountered in format string`);
      const end = endOfField(text, brace.lastIndex);
      const [, field = "", conversion, spec = ""] =
        /^([^!:]*)(?:!([^:]))?(?::([^]*))?$/.exec(text.slice(brace.lastIndex, end)) ??
          fail("expected ':' after conversion specifier");
      const value = valueOf(field);
      const converted = conversion === "r" || conversion === "a"
        ? repr(value, budget)
        : conversion === "s"
        ? textOf(value, budget)
        : value;
      const piece = formatSpec(converted, fill(spec, depth + 1), budget);
      budget.text(piece.length);
      out += piece;
      brace.lastIndex = end + 1;
    }
    return out + text.slice(from);
  };
  budget.text(template.length);
  return fill(template, 0);
}

function fail(message: string): never {
  throw new Error(message);
}

function endOfField(text: string, from: number): number {
  let depth = 1;
  for (let i = from; i < text.length; i++) {
    if (text[i] === "{") depth++;
    else if (text[i] === "}" && --depth === 0) return i;
  }
  throw new Error("expected '}' before end of string");
}

const SPEC = /^(?:([^])?([<>=^]))?([-+ ])?(#)?(0)?(\d+)?([,_])?(?:\.(\d+))?([^])?$/u;

/** Python's format(): a value by a specification such as ">8.2f". */
function formatSpec(value: Value, spec: string, budget: Budget): string {
  if (spec === "") return textOf(value, budget);
  const match = SPEC.exec(spec);
  if (!match) throw new Error(`Invalid format specifier '${spec}'`);
  const [, given, alignment, sign, hash, zero, width, group = "", digits, type = ""] = match;
  const number = numberOf(value);
  if (typeof value !== "string" && number === undefined) {
    throw typeError(`unsupported format string passed to ${typeName(value)}.__format__`, value);
  }
  const precision = digits === undefined ? undefined : Number(digits);
  budget.text(Number(width ?? 0) + (precision ?? 0));
  budget.spend(100);
  let [head, body] = ["", ""];
  if (typeof value === "string") {
    if (group !== "") throw new Error(`Cannot specify '${group}' with 's'.`);
    if (sign || alignment === "=") throw new Error("Sign not allowed in string format specifier");
    if (!/^s?$/.test(type)) throw new Error(`Unknown format code '${type}' for object of type 'str'`);
    body = precision === undefined ? value : cut(value, precision, budget);
  } else {
    const isNegative = number! < 0 || Object.is(number, -0);
    head = isNegative ? "-" : sign === "+" || sign === " " ? sign : "";
    if (typeof number === "bigint" && /^[dbxXon]?$/.test(type)) {
      if (hash && /[bxXo]/.test(type)) head += `0${type}`;
      body = intText(number, type);
      if (precision !== undefined) throw new Error("Precision not allowed in integer format specifier");
    } else if (typeof number === "bigint" && type === "c") body = String.fromCodePoint(Number(number));
    else if (/^[eEfFgG%]$/.test(type)) body = formatFloat(Number(number), type, precision ?? 6, hash !== undefined);
    else if (type === "" || type === "n") {
      body = precision === undefined
        ? textOf(Number(number) < 0 ? -number! : number!, budget).replace(/^-/, "")
        : formatFloat(Number(number), "g", precision, false);
    } else throw new Error(`Unknown format code '${type}' for object of type '${typeName(value)}'`);
    if (group !== "") body = grouped(body, group, /[bxXo]/.test(type) ? 4 : 3);
  }
  const align = alignment ?? (zero && number !== undefined ? "=" : typeof value === "string" ? "<" : ">");
  const fill = given ?? (zero ? "0" : " ");
  const missing = Math.max(0, Number(width ?? 0) - characterCount(head + body, budget));
  budget.text(missing * fill.length);
  if (align === "=") return head + fill.repeat(missing) + body;
  const before = align === ">" ? missing : align === "^" ? Math.floor(missing / 2) : 0;
  return fill.repeat(before) + head + body + fill.repeat(missing - before);
}

function grouped(text: string, separator: string, size: number): string {
  const [, whole, rest] = /^([0-9a-fA-F]*)([^]*)$/.exec(text)!;
  const groups: string[] = [];
  for (let end = whole!.length; end > 0; end -= size) groups.push(whole!.slice(Math.max(0, end - size), end));
  return groups.reverse().join(separator) + rest;
}
