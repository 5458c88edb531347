import type { Budget } from "./budget.ts";
import type { Builtin } from "./builtin.ts";
import { reader, SEQUENCE_FILTERS } from "./sequence-filters.ts";
import { TESTS } from "./tests.ts";
import { TEXT_FILTERS } from "./text-filters.ts";
import { type Arguments, Generator, isTrue, iterate, type Value } from "./values.ts";

/** All filters by name. */
export const FILTERS: ReadonlyMap<string, Builtin> = new Map<string, Builtin>([
  ...TEXT_FILTERS,
  ...SEQUENCE_FILTERS,
  lazy("map", mapped),
  lazy("select", (self, call, budget) => selected(self, call, true, false, budget)),
  lazy("reject", (self, call, budget) => selected(self, call, false, false, budget)),
  lazy("selectattr", (self, call, budget) => selected(self, call, true, true, budget)),
  lazy("rejectattr", (self, call, budget) => selected(self, call, false, true, budget)),
]);

/** A filter whose values come one by one, with arguments for another filter or a test. */
function lazy(
  name: string,
  apply: (self: Value, call: Arguments, budget: Budget) => Iterator<Value>,
): [string, Builtin] {
  return [name, (self, call, budget) => {
    budget.closure();
    return new Generator(apply(self, call, budget));
  }];
}

/** Applies the filter of a name. Throws an Error where there is none. */
export function applyFilter(name: string, value: Value, call: Arguments, budget: Budget): Value {
  const filter = FILTERS.get(name);
  if (!filter) throw new Error(`No filter named '${name}'.`);
  return filter(value, call, budget);
}

/** Whether the test of a name holds. Throws an Error where there is none. */
export function applyTest(name: string, value: Value, call: Arguments, budget: Budget): boolean {
  const test = TESTS.get(name);
  if (!test) throw new Error(`No test named '${name}'.`);
  return isTrue(test(value, call, budget));
}

/** A value that isn't true, 0 or None for example, gives nothing, as Jinja2 has it. */
function* mapped(self: Value, { positional, named }: Arguments, budget: Budget): Iterator<Value> {
  if (!isTrue(self)) return;
  const [name, ...rest] = positional;
  if (name === undefined) {
    const attribute = named.get("attribute");
    if (attribute === undefined) throw new Error("map requires a filter argument");
    const read = reader(attribute, budget, false, named.get("default"));
    for (const item of iterate(self, budget)) yield read(item);
    return;
  }
  for (const item of iterate(self, budget)) yield applyFilter(String(name), item, { positional: rest, named }, budget);
}

/** The items for which a test holds, or doesn't; without one, those that are true. */
function* selected(
  self: Value,
  { positional, named }: Arguments,
  wanted: boolean,
  isOfAttribute: boolean,
  budget: Budget,
): Iterator<Value> {
  if (!isTrue(self)) return;
  const attribute = isOfAttribute ? positional[0] : undefined;
  const [name, ...rest] = isOfAttribute ? positional.slice(1) : positional;
  if (isOfAttribute && attribute === undefined) throw new Error("Missing parameter for attribute name");
  const read = reader(attribute, budget);
  for (const item of iterate(self, budget)) {
    const value = read(item);
    const holds = name === undefined
      ? isTrue(value)
      : applyTest(String(name), value, { positional: rest, named }, budget);
    if (holds === wanted) yield item;
  }
}
