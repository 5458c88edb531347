import type { Budget } from "./budget.ts";
import { asInt, bind } from "./builtin.ts";
import { textOf } from "./text.ts";
import {
  type Arguments,
  Dict,
  iterate,
  listOf,
  Namespace,
  payForKey,
  PyFunction,
  PyObject,
  Range,
  type Value,
} from "./values.ts";

/** The sandbox's own limit. */
const MAX_RANGE = 100_000;

/** The functions that every template has. */
export function globalFunctions(budget: Budget): ReadonlyMap<string, Value> {
  const functions: Record<string, (call: Arguments) => Value> = {
    range: ({ positional }) => {
      const bounds = positional.map((bound) => asInt(bound, "a bound of range()"));
      if (bounds.length < 1 || bounds.length > 3) {
        throw new Error(`range() takes 1 to 3 arguments, not ${bounds.length}`);
      }
      const [start, stop, step = 1] = bounds.length === 1 ? [0, bounds[0]!] : bounds as [number, number, number?];
      if (step === 0) throw new Error("range() arg 3 must not be zero");
      const range = new Range(start, stop, step);
      if (range.length > MAX_RANGE) {
        throw new Error(`Range too big. The sandbox blocks ranges larger than MAX_RANGE (${MAX_RANGE}).`);
      }
      return range;
    },
    dict: (call) => dictOf(call, budget),
    namespace: (call) => {
      const namespace = new Namespace();
      const fields = dictOf(call, budget);
      budget.dict(fields.length);
      for (const [name, value] of fields.entries) setField(namespace, textOf(name, budget), value);
      return namespace;
    },
    cycler: ({ positional }) => {
      budget.object();
      return new Cycler(positional);
    },
    joiner: (call) => {
      const [separator = ", "] = bind("joiner", ["sep?"], call);
      let isFirst = true;
      budget.object();
      return new PyFunction("joiner", () => {
        const text = isFirst ? "" : separator;
        isFirst = false;
        return text;
      });
    },
  };
  return new Map(Object.entries(functions).map(([name, call]) => [name, new PyFunction(name, call)]));
}

/** Sets what `{% set namespace.name = value %}` does. Throws an Error for a name that transformers refuses. */
export function setField(namespace: Namespace, name: string, value: Value): void {
  if (name.startsWith("_")) {
    throw new Error(`Chat templates cannot store underscore-prefixed attributes on a namespace, but got '${name}'.`);
  }
  namespace.values.set(name, value);
}

function dictOf({ positional: [entries], named }: Arguments, budget: Budget): Dict {
  const dict = new Dict();
  if (entries instanceof Dict) {
    budget.dict(entries.length);
    for (const [key, value] of entries.entries) {
      payForKey(key, budget);
      dict.set(key, value);
    }
  } else if (entries !== undefined) {
    for (const entry of iterate(entries, budget)) {
      const pair = listOf(entry, budget);
      if (pair.length !== 2) throw new Error("dictionary update sequence element has not length 2");
      payForKey(pair[0]!, budget);
      budget.items(4);
      dict.set(pair[0]!, pair[1]!);
    }
  }
  budget.dict(named.size);
  for (const [name, value] of named) dict.set(name, value);
  return dict;
}

/** What `cycler(...)` makes: it gives its values in turn. */
class Cycler extends PyObject {
  readonly typeName = "Cycler";
  #at = 0;

  constructor(readonly values: readonly Value[]) {
    super();
    if (values.length === 0) throw new Error("at least one item has to be provided");
  }

  override attribute(name: string): Value | undefined {
    if (name === "current") return this.values[this.#at];
    if (name === "next") {
      return new PyFunction(name, () => {
        const value = this.values[this.#at]!;
        this.#at = (this.#at + 1) % this.values.length;
        return value;
      });
    }
    if (name === "reset") {
      return new PyFunction(name, () => {
        this.#at = 0;
        return null;
      });
    }
    return undefined;
  }
}
