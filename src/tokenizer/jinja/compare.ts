import type { Budget } from "./budget.ts";
import { Dict, numberOf, payForKey, Range, Tuple, typeError, typeName, Undefined, type Value } from "./values.ts";

/** Python's `==`. */
export function equals(a: Value, b: Value, budget: Budget): boolean {
  budget.spend(1);
  if (typeof a === "string" && typeof b === "string" && a.length === b.length) budget.spend(a.length / 32);
  if (a === b) return true;
  const [x, y] = [numberOf(a), numberOf(b)];
  // Not by `===`, since an int and a float of one value are equal.
  if (x !== undefined && y !== undefined) return x <= y && x >= y;
  if (Array.isArray(a) && Array.isArray(b)) return equalItems(a, b, budget);
  if (a instanceof Tuple && b instanceof Tuple) return equalItems(a.items, b.items, budget);
  if (a instanceof Range && b instanceof Range) return a.equals(b);
  if (a instanceof Dict && b instanceof Dict) {
    if (a.length !== b.length) return false;
    for (const [key, value] of a.entries) {
      payForKey(key, budget);
      const other = b.get(key);
      if (other === undefined || !equals(value, other, budget)) return false;
    }
    return true;
  }
  return a instanceof Undefined && b instanceof Undefined;
}

function equalItems(a: readonly Value[], b: readonly Value[], budget: Budget): boolean {
  return a.length === b.length && a.every((item, i) => equals(item, b[i]!, budget));
}

/**
 * Below, at or above zero as `a` is less than, equal to or greater than `b`; NaN where a float is none. Throws an Error
 * where Python doesn't compare the two by `operator`.
 */
export function compare(a: Value, b: Value, operator: string, budget: Budget): number {
  budget.spend(1);
  const [x, y] = [numberOf(a), numberOf(b)];
  if (x !== undefined && y !== undefined) return x < y ? -1 : x > y ? 1 : x <= y ? 0 : NaN;
  if (typeof a === "string" && typeof b === "string") {
    budget.spend(Math.min(a.length, b.length) / 8);
    return compareTexts(a, b);
  }
  const [items, others] = [a, b].map((value) => value instanceof Tuple ? value.items : value);
  if (typeName(a) === typeName(b) && Array.isArray(items) && Array.isArray(others)) {
    for (let i = 0; i < Math.min(items.length, others.length); i++) {
      if (!equals(items[i], others[i], budget)) return compare(items[i], others[i], operator, budget);
    }
    return items.length - others.length;
  }
  throw typeError(`'${operator}' not supported between instances of '${typeName(a)}' and '${typeName(b)}'`, a, b);
}

/** Compares by code points; JavaScript's own order puts an emoji before "｡". */
function compareTexts(a: string, b: string): number {
  let i = 0;
  while (i < a.length && a[i] === b[i]) i++;
  if (i === a.length || i === b.length) return a.length - b.length;
  const isLow = (text: string) => i > 0 && /[\udc00-\udfff]/.test(text[i]!);
  if (isLow(a) && isLow(b)) i--;
  return a.codePointAt(i)! - b.codePointAt(i)!;
}
