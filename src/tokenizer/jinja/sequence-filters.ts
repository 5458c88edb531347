import type { Budget } from "./budget.ts";
import { asInt, type Builtin, builtin } from "./builtin.ts";
import { ownAttribute, subscriptOf } from "./access.ts";
import { toJson } from "./json.ts";
import { arithmetic } from "./operators.ts";
import { textOf } from "./text.ts";
import { compare, equals } from "./compare.ts";
import {
  Dict,
  DictView,
  Generator,
  identityOf,
  isTrue,
  iterate,
  lengthOf,
  listOf,
  payForKey,
  PyObject,
  Tuple,
  typeError,
  typeName,
  Undefined,
  type Value,
} from "./values.ts";

type Args = readonly (Value | undefined)[];

const filter = (name: string, parameters: string, apply: (self: Value, args: Args, budget: Budget) => Value) =>
  [name, builtin(name, parameters, apply)] as [string, Builtin];

/** A filter whose values come one by one, as a generator of Python's. */
const lazy = (name: string, parameters: string, apply: (self: Value, args: Args, budget: Budget) => Iterator<Value>) =>
  filter(name, parameters, (self, args, budget) => new Generator(apply(self, args, budget)));

const length = (self: Value, _: Args, budget: Budget): Value => {
  const found = lengthOf(self, budget);
  if (found === undefined) throw typeError(`object of type '${typeName(self)}' has no len()`, self);
  return BigInt(found);
};
const byDefault = (self: Value, [otherwise = "", boolean = false]: Args): Value =>
  self instanceof Undefined || (isTrue(boolean) && !isTrue(self)) ? otherwise : self;

/** Jinja2's filters of sequences and dicts, by name, but those that call other filters and tests. */
export const SEQUENCE_FILTERS: ReadonlyMap<string, Builtin> = new Map([
  filter("length", "", length),
  filter("count", "", length),
  filter("default", "default_value? boolean?", byDefault),
  filter("d", "default_value? boolean?", byDefault),
  filter("list", "", (self, _, budget) => listOf(self, budget)),
  filter("first", "", (self, _, budget) => {
    const { done, value } = iterate(self, budget).next();
    return done ? new Undefined("No first item, sequence was empty.") : value;
  }),
  filter("last", "", (self, _, budget) => {
    const { done, value } = reversed(self, budget).next();
    return done ? new Undefined("No last item, sequence was empty.") : value;
  }),
  filter("reverse", "", (self, _, budget) => {
    if (typeof self === "string") return listOf(self, budget).reverse().join("");
    if (self instanceof Generator) return listOf(self, budget).reverse();
    return new Generator(reversed(self, budget));
  }),
  filter("join", "d? attribute?", (self, [separator = "", attribute], budget) => {
    const read = reader(attribute, budget);
    const by = textOf(separator, budget);
    const parts: string[] = [];
    for (const item of iterate(self, budget)) {
      const part = textOf(read(item), budget);
      budget.text(part.length + by.length);
      parts.push(part);
    }
    return parts.join(by);
  }),
  filter(
    "sort",
    "reverse? case_sensitive? attribute?",
    (self, [reverse = false, isExact = false, attribute], budget) => {
      if (typeof attribute === "string") budget.items(attribute.length);
      const attributes = typeof attribute === "string" ? attribute.split(",") : [attribute];
      const readers = attributes.map((name) => reader(name, budget, !isTrue(isExact)));
      const keyOf = (item: Value): Value => {
        budget.items(2 + readers.length);
        return readers.map((read) => read(item));
      };
      return sorted(listOf(self, budget), keyOf, isTrue(reverse), budget);
    },
  ),
  filter("dictsort", "case_sensitive? by? reverse?", (self, [isExact = false, by = "key", reverse = false], budget) => {
    if (!(self instanceof Dict)) throw typeError(`'${typeName(self)}' object has no attribute 'items'`, self);
    if (by !== "key" && by !== "value") throw new Error(`You can only sort by either "key" or "value"`);
    const read = reader(undefined, budget, !isTrue(isExact));
    const items = listOf(new DictView("dict_items", self), budget) as Tuple[];
    return sorted(items, (item) => read((item as Tuple).items[by === "key" ? 0 : 1]!), isTrue(reverse), budget);
  }),
  lazy("unique", "case_sensitive? attribute?", function* (self, [isExact = false, attribute], budget) {
    const read = reader(attribute, budget, !isTrue(isExact));
    const seen = new Set<unknown>();
    for (const item of iterate(self, budget)) {
      const key = read(item);
      payForKey(key, budget);
      const identity = identityOf(key);
      if (!seen.has(identity)) yield item;
      budget.items(1);
      seen.add(identity);
    }
  }),
  filter("groupby", "attribute default? case_sensitive?", (self, [attribute, otherwise, isExact = false], budget) => {
    const read = reader(attribute, budget, !isTrue(isExact), otherwise);
    const group = (key: Value, items: Value[]) => {
      const name = isTrue(isExact) ? key : reader(attribute, budget, false, otherwise)(items[0]!);
      return new Tuple([name, items], ["grouper", "list"]);
    };
    const groups: [Value, Value[]][] = [];
    for (const item of sorted(listOf(self, budget), read, false, budget)) {
      const key = read(item);
      const last = groups.at(-1);
      if (last && equals(last[0], key, budget)) last[1].push(item);
      else groups.push([key, [item]]);
    }
    return groups.map(([key, items]) => group(key, items));
  }),
  filter("min", "case_sensitive? attribute?", (self, args, budget) => extreme(self, args, -1, budget)),
  filter("max", "case_sensitive? attribute?", (self, args, budget) => extreme(self, args, 1, budget)),
  filter("sum", "attribute? start?", (self, [attribute, start = 0n], budget) => {
    const read = reader(attribute, budget);
    let sum = start;
    for (const item of iterate(self, budget)) sum = arithmetic("+", sum, read(item), budget);
    return sum;
  }),
  lazy("batch", "linecount fill_with?", function* (self, [count, fill = null], budget) {
    const size = asInt(count, "linecount");
    let batch: Value[] = [];
    for (const item of iterate(self, budget)) {
      if (batch.length === size) {
        yield batch;
        batch = [];
      }
      // A list that grows has more room than it needs, which counts where there are many.
      budget.items(batch.length === 0 ? 6 : 1);
      batch.push(item);
    }
    if (batch.length === 0) return;
    if (fill !== null) budget.items(Math.max(0, size - batch.length));
    yield fill === null ? batch : [...batch, ...Array<Value>(Math.max(0, size - batch.length)).fill(fill)];
  }),
  lazy("slice", "slices fill_with?", function* (self, [count, fill = null], budget) {
    const items = listOf(self, budget);
    const slices = asInt(count, "slices");
    if (slices === 0) throw new Error("integer division or modulo by zero");
    const [size, more] = [Math.floor(items.length / slices), items.length % slices];
    for (let i = 0; i < slices; i++) {
      const start = i * size + Math.min(i, more);
      const slice = items.slice(start, start + size + (i < more ? 1 : 0));
      budget.items(slice.length + 6);
      yield fill !== null && i >= more ? [...slice, fill] : slice;
    }
  }),
  lazy("items", "", function* (self, _, budget) {
    if (self instanceof Undefined) return;
    if (!(self instanceof Dict)) throw new Error("Can only get item pairs from a mapping.");
    yield* iterate(new DictView("dict_items", self), budget);
  }),
  filter("attr", "name", (self, [name], budget) => {
    const attribute = textOf(name!, budget);
    const found = ownAttribute(self, attribute, budget);
    return found === undefined ? new Undefined(`'${typeName(self)} object' has no attribute '${attribute}'`) : found;
  }),
  filter(
    "tojson",
    "ensure_ascii? indent? separators? sort_keys?",
    (self, [ensureAscii = false, indent = null, separators = null, sortKeys = false], budget) =>
      toJson(self, { ensureAscii, indent, separators, sortKeys }, budget),
  ),
]);

/**
 * What reads an attribute such as "function.name" or 0 of an item, or the item itself where none is given; in lower
 * case where `ignoresCase`, and `otherwise` where it is undefined.
 */
export function reader(
  attribute: Value | undefined,
  budget: Budget,
  ignoresCase = false,
  otherwise?: Value,
): (item: Value) => Value {
  // Each of its characters may be a part.
  if (typeof attribute === "string") budget.items(attribute.length);
  const parts: readonly Value[] = typeof attribute === "string"
    ? attribute.split(".").map((part) => /^\d+$/.test(part) ? BigInt(part) : part)
    : attribute === undefined || attribute === null
    ? []
    : [attribute];
  return (item) => {
    let value = item;
    for (const part of parts) {
      value = subscriptOf(value, part, budget);
      if (value instanceof Undefined && otherwise !== undefined) value = otherwise;
    }
    return ignoresCase && typeof value === "string" ? value.toLowerCase() : value;
  };
}

/** A list in order, equal elements in the order that they had. */
function sorted(list: Value[], keyOf: (item: Value) => Value, isReverse: boolean, budget: Budget): Value[] {
  budget.items(3 * list.length);
  const keyed = list.map((item) => ({ item, key: keyOf(item) }));
  const sign = isReverse ? -1 : 1;
  keyed.sort((a, b) => {
    const order = compare(a.key, b.key, "<", budget);
    return Number.isNaN(order) ? 0 : sign * order;
  });
  return keyed.map(({ item }) => item);
}

function extreme(self: Value, [isExact = false, attribute]: Args, sign: number, budget: Budget): Value {
  const read = reader(attribute, budget, !isTrue(isExact));
  let best: Value | undefined;
  for (const item of iterate(self, budget)) {
    const operator = sign < 0 ? "<" : ">";
    if (best === undefined || compare(read(item), read(best), operator, budget) * sign > 0) best = item;
  }
  return best === undefined ? new Undefined("No aggregated item, sequence was empty.") : best;
}

/** Python's reversed(). */
function reversed(self: Value, budget: Budget): Iterator<Value> {
  if (
    self instanceof Generator ||
    (self instanceof PyObject && !(self instanceof Undefined) && lengthOf(self, budget) === undefined)
  ) {
    throw new Error(`'${typeName(self)}' object is not reversible`);
  }
  return listOf(self, budget).reverse().values();
}
