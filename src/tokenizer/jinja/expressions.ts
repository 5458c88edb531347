import type { CallArguments, Expression, FilterNode } from "./ast.ts";
import type { TokenStream } from "./token-stream.ts";

const CONSTANTS: ReadonlyMap<string, boolean | null> = new Map([
  ["true", true],
  ["True", true],
  ["false", false],
  ["False", false],
  ["none", null],
  ["None", null],
]);
const NO_ARGUMENTS: CallArguments = { positional: [], named: [] };

/** Reads expressions as Jinja2's parser does, method by method; each method begins at the expression's first token. */
export class ExpressionParser {
  /** Told of each name that is read. */
  readonly #onName: (name: string) => void;

  constructor(readonly stream: TokenStream, onName: (name: string) => void) {
    this.#onName = onName;
  }

  expression(): Expression {
    return this.stream.nested(() => {
      let value = this.withoutChoice();
      while (this.stream.skipName("if")) {
        const condition = this.withoutChoice();
        const otherwise = this.stream.skipName("else") ? this.expression() : undefined;
        value = { kind: "if", condition, then: value, otherwise };
      }
      return value;
    });
  }

  /** An expression that isn't `a if b else c`, unless in parentheses. */
  withoutChoice(): Expression {
    let left = this.#and();
    while (this.stream.skipName("or")) left = { kind: "or", left, right: this.#and() };
    return left;
  }

  /** One expression, or several with commas: a tuple. `ends` says where no further one follows. */
  tuple(parse: () => Expression, ends: () => boolean = () => false): Expression {
    const items: Expression[] = [];
    let isTuple = false;
    while (!(this.stream.current.type === "end" || this.stream.isOperator(")") || ends())) {
      items.push(parse());
      if (!this.stream.skipOperator(",")) break;
      isTuple = true;
    }
    if (!isTuple && items.length === 1) return items[0]!;
    if (items.length === 0) this.stream.fail(`expected an expression, got ${this.stream.shown()}`);
    return { kind: "tuple", items };
  }

  /** Filters, the first with its bar or, where `isInline`, without. */
  filters(isInline: boolean): FilterNode[] {
    const filters: FilterNode[] = [];
    for (let isFirst = isInline; isFirst || this.stream.skipOperator("|"); isFirst = false) {
      filters.push({ name: this.#dottedName(), args: this.stream.isOperator("(") ? this.args() : NO_ARGUMENTS });
    }
    return filters;
  }

  args(): CallArguments {
    const { stream } = this;
    const positional: Expression[] = [];
    const named: [string, Expression][] = [];
    let [rest, namedRest]: (Expression | undefined)[] = [];
    const ensure = (holds: boolean) => {
      if (!holds) stream.fail("invalid syntax for function call expression");
    };
    stream.expectOperator("(");
    for (let isFirst = true; !stream.isOperator(")"); isFirst = false) {
      if (!isFirst) {
        stream.expectOperator(",");
        if (stream.isOperator(")")) break;
      }
      ensure(namedRest === undefined);
      if (stream.skipOperator("*")) {
        ensure(rest === undefined);
        rest = this.expression();
      } else if (stream.skipOperator("**")) namedRest = this.expression();
      else if (stream.current.type === "name" && stream.next.type === "operator" && stream.next.text === "=") {
        const name = stream.take().text;
        stream.take();
        named.push([name, this.expression()]);
      } else {
        ensure(rest === undefined && named.length === 0);
        positional.push(this.expression());
      }
    }
    stream.expectOperator(")");
    return { positional, named, rest, namedRest };
  }

  #and(): Expression {
    let left = this.#not();
    while (this.stream.skipName("and")) left = { kind: "and", left, right: this.#not() };
    return left;
  }

  #not(): Expression {
    if (!this.stream.skipName("not")) return this.#comparison();
    return { kind: "not", operand: this.stream.nested(() => this.#not()) };
  }

  #comparison(): Expression {
    const { stream } = this;
    const first = this.#sum();
    const rest: [string, Expression][] = [];
    for (;;) {
      if (stream.isOperator("==", "!=", "<", "<=", ">", ">=")) rest.push([stream.take().text, this.#sum()]);
      else if (stream.skipName("in")) rest.push(["in", this.#sum()]);
      else if (stream.isName("not") && stream.next.type === "name" && stream.next.text === "in") {
        stream.take();
        stream.take();
        rest.push(["not in", this.#sum()]);
      } else return rest.length === 0 ? first : { kind: "compare", first, rest };
    }
  }

  #sum(): Expression {
    return this.#chain(["+", "-"], () => this.#concatenation());
  }

  #concatenation(): Expression {
    const items = [this.#product()];
    while (this.stream.skipOperator("~")) items.push(this.#product());
    return items.length === 1 ? items[0]! : { kind: "concat", items };
  }

  #product(): Expression {
    // Jinja2 groups powers from the left too, unlike Python.
    return this.#chain(["*", "/", "//", "%"], () => this.#chain(["**"], () => this.#unary(true)));
  }

  #chain(operators: readonly string[], operand: () => Expression): Expression {
    let left = operand();
    while (this.stream.isOperator(...operators)) {
      left = { kind: "arithmetic", operator: this.stream.take().text, left, right: operand() };
    }
    return left;
  }

  #unary(hasFilters: boolean): Expression {
    let value: Expression;
    if (this.stream.isOperator("-", "+")) {
      const operator = this.stream.take().text;
      value = { kind: "sign", operator, operand: this.stream.nested(() => this.#unary(false)) };
    } else value = this.#primary();
    value = this.#postfix(value);
    return hasFilters ? this.#filtersAndTests(value) : value;
  }

  #primary(): Expression {
    const { stream } = this;
    const { type, text } = stream.current;
    if (type === "name") {
      stream.take();
      const constant = CONSTANTS.get(text);
      if (constant !== undefined) return { kind: "const", value: constant };
      this.#onName(text);
      return { kind: "name", name: text };
    }
    if (type === "string") {
      let value = "";
      while (stream.current.type === "string") value += stream.take().text;
      return { kind: "const", value };
    }
    if (type === "float") return { kind: "const", value: Number(stream.take().text.replaceAll("_", "")) };
    if (type === "integer") {
      const digits = stream.take().text.replaceAll("_", "");
      if (digits.length > 4300) stream.fail("an int has more than 4300 digits");
      return { kind: "const", value: BigInt(digits) };
    }
    if (stream.skipOperator("(")) {
      const value: Expression = stream.isOperator(")")
        ? { kind: "tuple", items: [] }
        : this.tuple(() => this.expression());
      stream.expectOperator(")");
      return value;
    }
    if (stream.skipOperator("[")) return { kind: "list", items: this.#listed("]", () => this.expression()) };
    if (stream.skipOperator("{")) {
      const entries = this.#listed("}", () => {
        const key = this.expression();
        stream.expectOperator(":");
        return [key, this.expression()] as const;
      });
      return { kind: "dict", entries };
    }
    return stream.fail(`unexpected ${stream.shown()}`);
  }

  /** What stands with commas up to `close`, one of which may be the last. */
  #listed<T>(close: string, parse: () => T): T[] {
    const items: T[] = [];
    while (!this.stream.isOperator(close)) {
      if (items.length > 0) this.stream.expectOperator(",");
      if (!this.stream.isOperator(close)) items.push(parse());
    }
    this.stream.expectOperator(close);
    return items;
  }

  #postfix(value: Expression): Expression {
    for (;;) {
      if (this.stream.isOperator(".", "[")) value = this.#subscript(value);
      else if (this.stream.isOperator("(")) value = { kind: "call", callee: value, args: this.args() };
      else return value;
    }
  }

  #filtersAndTests(value: Expression): Expression {
    for (;;) {
      if (this.stream.isOperator("|")) {
        for (const { name, args } of this.filters(false)) value = { kind: "filter", name, input: value, args };
      } else if (this.stream.skipName("is")) value = this.#test(value);
      else if (this.stream.isOperator("(")) value = { kind: "call", callee: value, args: this.args() };
      else return value;
    }
  }

  #subscript(object: Expression): Expression {
    const { stream } = this;
    if (stream.take().text === ".") {
      const { type, text } = stream.take();
      if (type === "name") return { kind: "attribute", object, name: text };
      if (type !== "integer") stream.fail("expected name or number");
      return { kind: "item", object, key: { kind: "const", value: BigInt(text.replaceAll("_", "")) } };
    }
    if (stream.isOperator("]")) stream.fail("expected an expression, got ']'");
    const first = stream.isOperator(":") ? undefined : this.expression();
    if (first !== undefined && !stream.isOperator(":")) {
      const keys = [first];
      while (stream.skipOperator(",")) keys.push(this.expression());
      stream.expectOperator("]");
      return { kind: "item", object, key: keys.length === 1 ? first : { kind: "tuple", items: keys } };
    }
    const bounds = [first];
    while (bounds.length < 3 && stream.skipOperator(":")) {
      bounds.push(stream.isOperator(":", "]") ? undefined : this.expression());
    }
    stream.expectOperator("]");
    return { kind: "slice", object, bounds };
  }

  #test(input: Expression): Expression {
    const { stream } = this;
    const isNegated = stream.skipName("not");
    const name = this.#dottedName();
    let args = NO_ARGUMENTS;
    if (stream.isOperator("(")) args = this.args();
    else if (
      ["name", "string", "integer", "float"].includes(stream.current.type) && !stream.isName("else", "or", "and") ||
      stream.isOperator("[", "{")
    ) {
      if (stream.isName("is")) stream.fail("You cannot chain multiple tests with is");
      args = { positional: [this.#postfix(this.#primary())], named: [] };
    }
    const test: Expression = { kind: "test", name, input, args };
    return isNegated ? { kind: "not", operand: test } : test;
  }

  #dottedName(): string {
    let name = this.stream.expectName();
    while (this.stream.skipOperator(".")) name += `.${this.stream.expectName()}`;
    return name;
  }
}
