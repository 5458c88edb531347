import type { Budget } from "./budget.ts";
import { asInt, type Builtin, builtin } from "./builtin.ts";
import { formatBraces } from "./format.ts";
import { repr } from "./text.ts";
import { TEXT_METHODS } from "./text-methods.ts";
import { equals } from "./compare.ts";
import {
  type Arguments,
  charactersOf,
  Dict,
  DictView,
  iterate,
  numberOf,
  payForKey,
  PyFunction,
  PyObject,
  Range,
  Tuple,
  typeError,
  typeName,
  Undefined,
  type Value,
} from "./values.ts";

/** `object.name` as Jinja reads it: an attribute first, then a dict's key. */
export function attributeOf(object: Value, name: string, budget: Budget): Value {
  // Not by `??`, since None is null.
  const own = ownAttribute(object, name, budget);
  const found = own === undefined ? itemOf(object, name, budget) : own;
  return found === undefined ? missing(object, name, budget) : found;
}

/** `object[key]` as Jinja reads it: an element or a dict's key first, then an attribute. */
export function subscriptOf(object: Value, key: Value, budget: Budget): Value {
  const item = itemOf(object, key, budget);
  const found = item === undefined && typeof key === "string" ? ownAttribute(object, key, budget) : item;
  return found === undefined ? missing(object, key, budget) : found;
}

/** An attribute in Python's sense, a method for example; undefined where there is none. */
export function ownAttribute(object: Value, name: string, budget: Budget): Value | undefined {
  if (object instanceof Undefined) throw new Error(object.message);
  budget.spend(1 + name.length / 16);
  if (object instanceof PyObject) {
    const own = object.attribute(name);
    if (own instanceof PyFunction) budget.object();
    if (own !== undefined) return own;
  }
  const kind = typeName(object);
  if (/^__\w+__$/.test(name) || CHANGES[kind]?.includes(name)) {
    return new Undefined(`access to attribute '${name}' of '${kind}' object is unsafe.`);
  }
  const bound = (call: (call: Arguments) => Value) => {
    budget.object();
    return new PyFunction(name, call);
  };
  if (typeof object === "string") {
    const method = TEXT_METHODS.get(name);
    if (method) return bound((call) => method(object, call, budget));
    if (name === "format") return bound((call) => formatBraces(object, call, lookup(budget), budget));
    if (name === "format_map") {
      return bound(({ positional: [values = null] }) => {
        const named = new Map(values instanceof Dict ? values.entries as Iterable<readonly [string, Value]> : []);
        return formatBraces(object, { positional: [], named }, lookup(budget), budget);
      });
    }
    return undefined;
  }
  const method = METHODS[kind]?.[name];
  return method && bound((call) => method(object as never, call, budget));
}

/** What changes a list or a dict, which Jinja's ImmutableSandboxedEnvironment refuses. */
const CHANGES: Readonly<Record<string, readonly string[]>> = {
  list: ["append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove"],
  dict: ["clear", "pop", "popitem", "setdefault", "update"],
};

const count = builtin<Value[] | Tuple>("count", "value", (self, [value], budget) => {
  let found = 0n;
  for (const item of iterate(self, budget)) if (equals(item, value!, budget)) found++;
  return found;
});
const index = builtin<Value[] | Tuple>("index", "value", (self, [value], budget) => {
  let at = 0n;
  for (const item of iterate(self, budget)) {
    if (equals(item, value!, budget)) return at;
    at++;
  }
  throw new Error(`${repr(value!, budget)} is not in ${typeName(self)}`);
});

/** The methods of the other classes that don't change what they belong to. */
const METHODS: Readonly<Record<string, Readonly<Record<string, Builtin<never>>>>> = {
  list: { count, index, copy: builtin<Value[]>("copy", "", (self) => self) },
  tuple: { count, index },
  dict: {
    get: builtin<Dict>("get", "key default?", (self, [key, otherwise = null], budget) => {
      payForKey(key!, budget);
      const found = self.get(key!);
      return found === undefined ? otherwise : found;
    }),
    keys: builtin<Dict>("keys", "", (self) => new DictView("dict_keys", self)),
    values: builtin<Dict>("values", "", (self) => new DictView("dict_values", self)),
    items: builtin<Dict>("items", "", (self) => new DictView("dict_items", self)),
    copy: builtin<Dict>("copy", "", (self) => self),
  },
  float: { is_integer: builtin<number>("is_integer", "", (self) => Number.isInteger(self)) },
};

function lookup(budget: Budget) {
  return {
    attribute: (value: Value, name: string) => attributeOf(value, name, budget),
    item: (value: Value, key: Value) => subscriptOf(value, key, budget),
  };
}

/** An element of a list, a text and so on, or a dict's value; undefined where there is none. */
function itemOf(object: Value, key: Value, budget: Budget): Value | undefined {
  if (object instanceof Undefined) throw new Error(object.message);
  budget.spend(1);
  if (object instanceof Dict) {
    payForKey(key, budget);
    return isKey(key) ? object.get(key) : undefined;
  }
  const number = numberOf(key);
  if (typeof number !== "bigint") return undefined;
  const elements = typeof object === "string"
    ? charactersOf(object, budget)
    : object instanceof Tuple
    ? object.items
    : object;
  if (typeof elements !== "string" && !Array.isArray(elements) && !(elements instanceof Range)) return undefined;
  const at = number < 0n ? Number(number) + elements.length : Number(number);
  return elements instanceof Range ? elements.at(at) : elements[at];
}

const isKey = (key: Value): boolean =>
  !(Array.isArray(key) || key instanceof Dict) && !(key instanceof Tuple && !key.items.every(isKey));

function missing(object: Value, key: Value, budget: Budget): Undefined {
  if (typeof key === "string") return new Undefined(key, typeName(object));
  const what = object === null ? "None" : `${typeName(object)} object`;
  return new Undefined(`${what} has no element ${repr(key, budget)}`);
}

/** `object[start:stop:step]`. Throws an Error where the object can't be cut. */
export function sliceOf(object: Value, bounds: readonly [Value, Value, Value], budget: Budget): Value {
  if (object instanceof Undefined) throw new Error(object.message);
  const elements = typeof object === "string"
    ? charactersOf(object, budget)
    : object instanceof Tuple
    ? object.items
    : object;
  if (typeof elements !== "string" && !Array.isArray(elements) && !(elements instanceof Range)) {
    throw new Error(`'${typeName(object)}' object is not subscriptable`);
  }
  const length = elements.length;
  const [start, stop, by] = bounds.map((bound) => {
    if (bound !== null && typeof numberOf(bound) !== "bigint") {
      throw typeError("slice indices must be integers or None or have an __index__ method", bound);
    }
    return bound;
  }) as [Value, Value, Value];
  const step = asInt(by, "slice step", 1);
  if (step === 0) throw new Error("slice step cannot be zero");
  const place = (value: Value, otherwise: number) => {
    const at = asInt(value, "slice indices", otherwise);
    const from = value !== null && at < 0 ? at + length : at;
    return step > 0 ? Math.min(Math.max(from, 0), length) : Math.min(Math.max(from, -1), length - 1);
  };
  const [from, to] = step > 0 ? [place(start, 0), place(stop, length)] : [place(start, length - 1), place(stop, -1)];
  if (elements instanceof Range) {
    const { start, step: stride } = elements;
    return new Range(start + from * stride, start + to * stride, step * stride);
  }
  const count = Math.max(0, Math.ceil((to - from) / step));
  if (typeof elements === "string" && step === 1) {
    budget.text(count);
    return elements.slice(from, from + count);
  }
  budget.items(count);
  const taken = Array.from({ length: count }, (_, i) => elements[from + i * step]!);
  return typeof object === "string" ? taken.join("") : object instanceof Tuple ? new Tuple(taken) : taken;
}
