import { type Builtin, builtin } from "./builtin.ts";
import { arithmetic, compares, contains } from "./operators.ts";
import { textOf } from "./text.ts";
import { TEXT_METHODS } from "./text-methods.ts";
import {
  Dict,
  isIterable,
  numberOf,
  payForKey,
  PyFunction,
  Range,
  Tuple,
  typeError,
  Undefined,
  type Value,
} from "./values.ts";

const test = (name: string, holds: (value: Value) => boolean): [string, Builtin] => [name, builtin(name, "", holds)];

const comparison = (operator: string, ...names: string[]) =>
  names.map((name): [string, Builtin] => [
    name,
    builtin(name, "other", (value, [other], budget) => compares(operator, value, other!, budget)),
  ]);

/** A test that is a method of str without arguments. */
const textTest = (name: string, method: string): [string, Builtin] => [
  name,
  (value, _, budget) => TEXT_METHODS.get(method)!(textOf(value, budget), { positional: [], named: new Map() }, budget),
];

const parity = (name: string, rest: number): [string, Builtin] => [
  name,
  builtin(name, "", (value, _, budget) => {
    if (numberOf(value) === undefined) throw typeError("not all arguments converted during string formatting", value);
    return Number(arithmetic("%", value, 2n, budget)) === rest;
  }),
];

/** What may stand behind `is`: Jinja2's own tests, by name. */
export const TESTS: ReadonlyMap<string, Builtin> = new Map([
  test("defined", (value) => !(value instanceof Undefined)),
  test("undefined", (value) => value instanceof Undefined),
  test("none", (value) => value === null),
  test("boolean", (value) => typeof value === "boolean"),
  test("true", (value) => value === true),
  test("false", (value) => value === false),
  test("integer", (value) => typeof value === "bigint"),
  test("float", (value) => typeof value === "number"),
  test("number", (value) => numberOf(value) !== undefined),
  test("string", (value) => typeof value === "string"),
  test("mapping", (value) => value instanceof Dict),
  test("iterable", isIterable),
  // What Python can ask for its length and for an element: dicts too, but no generators.
  test("sequence", (value) =>
    typeof value === "string" || Array.isArray(value) ||
    [Dict, Tuple, Range, Undefined].some((type) => value instanceof type)),
  test("callable", (value) => value instanceof PyFunction || value instanceof Undefined),
  test("escaped", () => false),
  textTest("lower", "islower"),
  textTest("upper", "isupper"),
  parity("odd", 1),
  parity("even", 0),
  [
    "divisibleby",
    builtin("divisibleby", "num", (value, [by], budget) => Number(arithmetic("%", value, by!, budget)) === 0),
  ],
  // Python's `is`: equal texts and small ints are one object there for the most part.
  [
    "sameas",
    builtin("sameas", "other", (value, [other], budget) => {
      payForKey(value, budget);
      return Object.is(value, other);
    }),
  ],
  ["in", builtin("in", "seq", (value, [seq], budget) => contains(seq!, value, budget))],
  ...comparison("==", "eq", "==", "equalto"),
  ...comparison("!=", "ne", "!="),
  ...comparison("<", "lt", "<", "lessthan"),
  ...comparison("<=", "le", "<="),
  ...comparison(">", "gt", ">", "greaterthan"),
  ...comparison(">=", "ge", ">="),
]);
