import type { Budget } from "./budget.ts";

/**
 * A value of Python's, as templates know them: None is `null`, an int a `bigint`, a float a `number`, a list an array.
 * All others are objects of the classes below. Templates can't change a list or a dict, so both can be shared.
 */
export type Value = null | boolean | bigint | number | string | Value[] | PyObject;

/** What a function is called with. */
export interface Arguments {
  readonly positional: readonly Value[];
  readonly named: ReadonlyMap<string, Value>;
}

/** A Python object that has no JavaScript value to stand for it. */
export abstract class PyObject {
  /** The name of its class, for messages. */
  abstract readonly typeName: string;

  get isTrue(): boolean {
    return true;
  }

  /** Python's len(); undefined where it has none. */
  get length(): number | undefined {
    return undefined;
  }

  /** What the object gives one by one; undefined where it isn't iterable. */
  iterate(): Iterator<Value> | undefined {
    return undefined;
  }

  /** An attribute of its own, as `object.name` reads it. */
  attribute(_name: string): Value | undefined {
    return undefined;
  }

  /** Python's repr(), where it isn't made of other values' reprs. */
  repr(): string {
    return `<${this.typeName} object>`;
  }
}

/** What stands for a name, a key or an attribute that isn't there. Most uses throw its message as an Error. */
export class Undefined extends PyObject {
  readonly typeName = "Undefined";
  readonly #text: string;
  readonly #owner: string | undefined;

  /**
   * @param text A message; with `owner`, what is missing. The message is then made when it is asked for: most templates
   *   only look whether there is a value, for each message or even each character.
   * @param owner The class that has no attribute of this name; "" where it is a variable.
   */
  constructor(text: string, owner?: string) {
    super();
    this.#text = text;
    this.#owner = owner;
  }

  get message(): string {
    if (this.#owner === undefined) return this.#text;
    if (this.#owner === "") return `'${this.#text}' is undefined`;
    const what = this.#owner === "NoneType" ? "None" : `${this.#owner} object`;
    return `'${what}' has no attribute '${this.#text}'`;
  }

  override get isTrue() {
    return false;
  }

  override get length() {
    return 0;
  }

  override iterate() {
    return [].values();
  }

  override repr() {
    return "Undefined";
  }
}

export class Tuple extends PyObject {
  readonly typeName = "tuple";

  /** @param names The elements' names, where they have some, as those of groupby have. */
  constructor(readonly items: readonly Value[], readonly names: readonly string[] = []) {
    super();
  }

  override get isTrue() {
    return this.items.length > 0;
  }

  override get length() {
    return this.items.length;
  }

  override iterate() {
    return this.items.values();
  }

  override attribute(name: string) {
    return this.items[this.names.indexOf(name)];
  }
}

/** A dict: its keys are equal where Python says so, 1, 1.0 and True for example. */
export class Dict extends PyObject {
  readonly typeName = "dict";
  readonly #entries = new Map<unknown, readonly [Value, Value]>();

  constructor(entries: Iterable<readonly [Value, Value]> = []) {
    super();
    for (const [key, value] of entries) this.set(key, value);
  }

  get(key: Value): Value | undefined {
    return this.#entries.get(identityOf(key))?.[1];
  }

  set(key: Value, value: Value): void {
    const identity = identityOf(key);
    this.#entries.set(identity, [this.#entries.get(identity)?.[0] ?? key, value]);
  }

  has(key: Value): boolean {
    return this.#entries.has(identityOf(key));
  }

  get entries(): Iterable<readonly [Value, Value]> {
    return this.#entries.values();
  }

  override get isTrue() {
    return this.#entries.size > 0;
  }

  override get length() {
    return this.#entries.size;
  }

  override *iterate() {
    for (const [key] of this.#entries.values()) yield key;
  }
}

/** What `keys()`, `values()` and `items()` of a dict give. */
export class DictView extends PyObject {
  constructor(readonly typeName: "dict_keys" | "dict_values" | "dict_items", readonly dict: Dict) {
    super();
  }

  override get isTrue() {
    return this.dict.isTrue;
  }

  override get length() {
    return this.dict.length;
  }

  override *iterate() {
    for (const [key, value] of this.dict.entries) {
      yield this.typeName === "dict_keys" ? key : this.typeName === "dict_values" ? value : new Tuple([key, value]);
    }
  }
}

export class Range extends PyObject {
  readonly typeName = "range";

  constructor(readonly start: number, readonly stop: number, readonly step: number) {
    super();
  }

  override get length() {
    return Math.max(0, Math.ceil((this.stop - this.start) / this.step));
  }

  override get isTrue() {
    return this.length > 0;
  }

  /** The element at an index from 0; undefined where there is none. */
  at(index: number): bigint | undefined {
    return Number.isInteger(index) && index >= 0 && index < this.length
      ? BigInt(this.start + index * this.step)
      : undefined;
  }

  /** Whether another one has the same elements. */
  equals(other: Range): boolean {
    const { length } = this;
    return length === other.length &&
      (length === 0 || (this.start === other.start && (length === 1 || this.step === other.step)));
  }

  override *iterate() {
    for (let i = 0; i < this.length; i++) yield this.at(i)!;
  }

  override repr() {
    return `range(${this.start}, ${this.stop}${this.step === 1 ? "" : `, ${this.step}`})`;
  }
}

/** A generator, as many filters give: it can be walked once, is true even where nothing comes, and has no length. */
export class Generator extends PyObject {
  readonly typeName = "generator";
  readonly #values: Iterator<Value>;

  constructor(values: Iterator<Value>) {
    super();
    this.#values = values;
  }

  override iterate() {
    return this.#values;
  }
}

/** What `namespace()` makes: the one thing that a template may change. */
export class Namespace extends PyObject {
  readonly typeName = "Namespace";
  readonly values = new Dict();

  override attribute(name: string) {
    return this.values.get(name);
  }
}

/** A function, a method or a macro. */
export class PyFunction extends PyObject {
  readonly typeName: string = "function";

  constructor(readonly name: string, readonly call: (call: Arguments) => Value) {
    super();
  }

  override repr() {
    return `<function ${this.name}>`;
  }
}

export class Macro extends PyFunction {
  override readonly typeName: string = "Macro";

  override repr() {
    return `<Macro '${this.name}'>`;
  }
}

/** A value of JavaScript, as JSON has them, as Python's json.loads would read it. What JSON can't hold is left out. */
export function fromJson(value: unknown): Value {
  if (value === null || typeof value === "boolean" || typeof value === "string") return value;
  if (typeof value === "bigint") return value;
  if (typeof value === "number") return Number.isSafeInteger(value) ? BigInt(value) : value;
  if (Array.isArray(value)) return value.map(fromJson);
  if (typeof value !== "object") return new Undefined(`a value of type ${typeof value} can't be given to a template`);
  return new Dict(
    Object.entries(value).filter(([, field]) => field !== undefined && typeof field !== "function")
      .map(([key, field]) => [key, fromJson(field)]),
  );
}

/** Python's bool(). */
export function isTrue(value: Value): boolean {
  if (value instanceof PyObject) return value.isTrue;
  if (Array.isArray(value)) return value.length > 0;
  return value !== null && value !== false && value !== 0n && value !== 0 && value !== "";
}

/** The name of a value's class, as Python's messages have it. */
export function typeName(value: Value): string {
  if (value === null) return "NoneType";
  if (value instanceof PyObject) return value.typeName;
  if (Array.isArray(value)) return "list";
  return ({ boolean: "bool", bigint: "int", number: "float", string: "str" } as Record<string, string>)[typeof value]!;
}

/** The TypeError that Python has for a value of the wrong class, but an undefined value's own message. */
export function typeError(message: string, ...values: readonly Value[]): Error {
  const missing = values.find((value) => value instanceof Undefined);
  return new Error(missing?.message ?? message);
}

/** A text's characters, by code points as Python counts them: index, length and slice() are those of either type. */
export function charactersOf(text: string, budget: Budget): string | string[] {
  budget.spend(text.length / 32);
  if (!/[\ud800-\udfff]/.test(text)) return text;
  budget.items(text.length);
  return Array.from(text);
}

/** How many characters a text has, by code points. */
export function characterCount(text: string, budget: Budget): number {
  budget.spend(text.length / 16);
  if (!/[\ud800-\udfff]/.test(text)) return text.length;
  let count = text.length;
  budget.spend(text.length / 4);
  for (let i = 0; i < text.length; i++) if (text.codePointAt(i)! > 0xffff) count--;
  return count;
}

/** Python's len(); undefined where the value has none. */
export function lengthOf(value: Value, budget: Budget): number | undefined {
  if (typeof value === "string") return characterCount(value, budget);
  return value instanceof PyObject || Array.isArray(value) ? value.length : undefined;
}

/** Whether Python's iter() takes the value. */
export function isIterable(value: Value): boolean {
  return typeof value === "string" || Array.isArray(value) ||
    (value instanceof PyObject && value.iterate !== PyObject.prototype.iterate);
}

/** What a value gives one by one, each paid for. Throws an Error where it isn't iterable. */
export function iterate(value: Value, budget: Budget): IterableIterator<Value> {
  const iterator = typeof value === "string"
    ? value[Symbol.iterator]()
    : Array.isArray(value)
    ? value.values()
    : value instanceof PyObject
    ? value.iterate()
    : undefined;
  if (!iterator) throw new Error(`'${typeName(value)}' object is not iterable`);
  return paid(iterator, budget, value instanceof DictView && value.typeName === "dict_items");
}

function* paid(iterator: Iterator<Value>, budget: Budget, makesPairs: boolean): IterableIterator<Value> {
  // Not `for of`: leaving the loop would close a generator, which Python's would go on with.
  for (let next = iterator.next(); !next.done; next = iterator.next()) {
    if (makesPairs) budget.items(3);
    else budget.spend(1);
    yield next.value;
  }
}

/** Python's list(). */
export function listOf(value: Value, budget: Budget): Value[] {
  const list: Value[] = [];
  for (const item of iterate(value, budget)) {
    budget.items(1);
    list.push(item);
  }
  return list;
}

/** What a Map knows a dict's key by: alike for keys that Python takes as equal. Throws for a list or a dict. */
export function identityOf(key: Value): unknown {
  if (typeof key === "boolean") return identityOf(key ? 1n : 0n);
  // Numbers as texts, since a Map's places for numbers, unlike those for texts, can be foreseen and made to collide.
  if (typeof key === "bigint") return `\0i${key.toString(36)}`;
  if (typeof key === "number") return Number.isInteger(key) ? identityOf(BigInt(key)) : `\0f${key}`;
  if (typeof key === "string") return key.startsWith("\0") ? `\0s${key}` : key;
  if (key instanceof Tuple) {
    const parts = key.items.map((item) => {
      const identity = identityOf(item);
      if (identity instanceof PyObject) throw new Error(`a tuple of '${identity.typeName}' can't be a key here`);
      const text = String(identity);
      return `${typeof identity}${text.length}:${text}`;
    });
    const text = `\0t${parts.join("")}`;
    // A tuple of itself twice, thirty times over, would be a text of a gigabyte.
    if (text.length > 10_000) throw new Error("a tuple is too long to be a key");
    return text;
  }
  if (Array.isArray(key) || key instanceof Dict) throw new Error(`unhashable type: '${typeName(key)}'`);
  return key;
}

/** Pays for the look-up of a key, which may be a text as long as a conversation, a long int, or a tuple of such. */
export function payForKey(key: Value, budget: Budget): void {
  budget.spend(1);
  if (typeof key === "string") budget.spend(key.length / 32);
  if (typeof key === "bigint" && (key > MAX_SAFE || key < -MAX_SAFE)) budget.spend(500);
  if (key instanceof Tuple) { for (const item of key.items) payForKey(item, budget); }
}

const MAX_SAFE = BigInt(Number.MAX_SAFE_INTEGER);

/** An int, a float or a bool as a number; undefined for all else. */
export function numberOf(value: Value): bigint | number | undefined {
  if (typeof value === "boolean") return value ? 1n : 0n;
  return typeof value === "bigint" || typeof value === "number" ? value : undefined;
}
