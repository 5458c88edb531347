import type { Budget } from "./budget.ts";
import { type Arguments, numberOf, PyObject, typeError, typeName, type Value } from "./values.ts";

/** A function that is part of the language: a method, a filter or a test. `self` is what it is applied to. */
export interface Builtin<T extends Value = Value> {
  (self: T, call: Arguments, budget: Budget): Value;
}

/**
 * Makes a built-in function of one that gets its arguments in the order of `parameters`: names with a space between
 * them, with a `?` behind those that may be left out (they are undefined then). The call throws an Error for an
 * argument too many or too few. A walk along each text that it gets, and the text or object that it gives, are paid for
 * here; elements of lists, and a text that may be far longer than `self`, by the function itself, before it makes them.
 */
export function builtin<T extends Value>(
  name: string,
  parameters: string,
  apply: (self: T, args: readonly (Value | undefined)[], budget: Budget) => Value,
): Builtin<T> {
  const names = parameters.split(" ").filter((part) => part !== "");
  return (self, call, budget) => {
    const args = bind(name, names, call);
    for (const value of [self, ...args]) if (typeof value === "string") budget.spend(value.length / 4);
    const result = apply(self, args, budget);
    if (typeof result === "string") budget.text(result.length);
    // The least room that an engine gives to a list that grows. Its elements are paid for where they are added.
    else if (Array.isArray(result)) budget.items(5);
    else if (result instanceof PyObject) budget.object();
    return result;
  };
}

/** A call's arguments in the order of the parameters' names. */
export function bind(
  name: string,
  parameters: readonly string[],
  { positional, named }: Arguments,
): readonly (Value | undefined)[] {
  if (positional.length > parameters.length) {
    throw new Error(`${name}() takes ${parameters.length} arguments, ${positional.length} were given`);
  }
  const args: (Value | undefined)[] = [...positional];
  const names = parameters.map((parameter) => parameter.replace("?", ""));
  for (const [key, value] of named) {
    const at = names.indexOf(key);
    if (at < 0) throw new Error(`${name}() got an unexpected keyword argument '${key}'`);
    if (args[at] !== undefined) throw new Error(`${name}() got multiple values for argument '${key}'`);
    args[at] = value;
  }
  const missing = names.find((_, i) => args[i] === undefined && !parameters[i]!.endsWith("?"));
  if (missing !== undefined) throw new Error(`${name}() is missing its argument '${missing}'`);
  return args;
}

/** An argument that has to be a text. */
export function asText(value: Value | undefined, what: string): string {
  if (typeof value === "string") return value;
  throw typeError(`${what} must be str, not ${typeName(value ?? null)}`, value ?? null);
}

/** An argument that has to be an int, as a number; `otherwise` where it isn't given, or is None. */
export function asInt(value: Value | undefined, what: string, otherwise?: number): number {
  if ((value === undefined || value === null) && otherwise !== undefined) return otherwise;
  const number = numberOf(value ?? null);
  if (typeof number === "bigint") return Number(number);
  throw typeError(`${what} must be int, not ${typeName(value ?? null)}`, value ?? null);
}
