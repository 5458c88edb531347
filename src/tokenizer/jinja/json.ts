import type { Budget } from "./budget.ts";
import { floatText, replaceEach, textOf } from "./text.ts";
import { compare } from "./compare.ts";
import { Dict, isTrue, iterate, Tuple, typeError, typeName, type Value } from "./values.ts";

/** The options of Python's json.dumps() that transformers' `tojson` passes on, as the template gives them. */
export interface JsonOptions {
  readonly ensureAscii: Value;
  readonly indent: Value;
  readonly separators: Value;
  readonly sortKeys: Value;
}

/** Python's json.dumps(). Throws an Error for what JSON can't hold. */
export function toJson(value: Value, options: JsonOptions, budget: Budget): string {
  const isAscii = isTrue(options.ensureAscii);
  const { indent } = options;
  if (typeof indent === "bigint") budget.text(Math.max(0, Number(indent)));
  const unit = typeof indent === "string"
    ? indent
    : typeof indent === "bigint"
    ? " ".repeat(Math.max(0, Number(indent)))
    : undefined;
  if (unit === undefined && indent !== null) {
    throw typeError(`indent must be int or str, not ${typeName(indent)}`, indent);
  }
  const [comma, colon] = options.separators === null
    ? [unit === undefined ? ", " : ",", ": "]
    : Array.from(iterate(options.separators, budget), (separator) => textOf(separator, budget)) as [string, string];
  if (colon === undefined) throw new Error("separators must be two");
  const parts: string[] = [];
  const push = (text: string) => {
    budget.text(text.length);
    parts.push(text);
  };
  const quoted = (text: string) => {
    budget.text(text.length);
    budget.spend(text.length / 8);
    const json = JSON.stringify(text);
    const escape = ([c]: readonly string[]) => `\\u${c!.charCodeAt(0).toString(16).padStart(4, "0")}`;
    return isAscii ? replaceEach(json, /[^ -~]/g, escape, budget) : json;
  };
  const writeAll = <T>(open: string, items: readonly T[], close: string, depth: number, write: (item: T) => void) => {
    if (items.length === 0) return push(open + close);
    const line = (level: number) => {
      if (unit === undefined) return;
      push("\n");
      for (let i = 0; i < level; i++) push(unit);
    };
    push(open);
    items.forEach((item, i) => {
      if (i > 0) push(comma);
      line(depth + 1);
      write(item);
    });
    line(depth);
    push(close);
  };
  const write = (value: Value, depth: number): void => {
    if (value instanceof Tuple || Array.isArray(value)) {
      const items = value instanceof Tuple ? value.items : value;
      writeAll("[", items, "]", depth, (item) => write(item, depth + 1));
    } else if (value instanceof Dict) {
      const entries = [...value.entries];
      if (isTrue(options.sortKeys)) entries.sort(([a], [b]) => compare(a, b, "<", budget));
      writeAll("{", entries, "}", depth, ([key, item]) => {
        if (typeof key === "object" && key !== null) {
          throw new Error(`keys must be str, int, float, bool or None, not ${typeName(key)}`);
        }
        push(quoted(typeof key === "string" ? key : scalar(key)!));
        push(colon);
        write(item, depth + 1);
      });
    } else {
      const text = typeof value === "string" ? quoted(value) : scalar(value);
      if (text === undefined) throw new Error(`Object of type ${typeName(value)} is not JSON serializable`);
      push(text);
    }
  };
  write(value, 0);
  return parts.join("");
}

function scalar(value: Value): string | undefined {
  if (value === null || typeof value === "boolean" || typeof value === "bigint") return String(value);
  if (typeof value !== "number") return undefined;
  if (Number.isFinite(value)) return floatText(value);
  return Number.isNaN(value) ? "NaN" : value < 0 ? "-Infinity" : "Infinity";
}
