// A Jinja of our own, since templates are strangers' programs: it has what Jinja2 has in the sandbox of transformers,
// and a budget. A template goes from lexer.ts over token-stream.ts to parser.ts (statements) and expressions.ts, which
// make the nodes of ast.ts; this file runs them. values.ts has Python's values, compare.ts, operators.ts, access.ts,
// text.ts, format.ts, numbers.ts and json.ts what Python does with them; builtin.ts says how a method, a filter or a
// test is written, and text-methods.ts, text-filters.ts, sequence-filters.ts, filters.ts and tests.ts have them.

import { attributeOf, sliceOf, subscriptOf } from "./access.ts";
import type { CallArguments, Expression, FilterNode, ForNode, MacroNode, Statement, Target } from "./ast.ts";
import type { Budget } from "./budget.ts";
import { applyFilter, applyTest } from "./filters.ts";
import { globalFunctions, setField } from "./globals.ts";
import { Loop } from "./loop.ts";
import { arithmetic, compares, concatenate, signed } from "./operators.ts";
import { parse } from "./parser.ts";
import { Scope } from "./scope.ts";
import { textOf } from "./text.ts";
import {
  type Arguments,
  Dict,
  Generator,
  isTrue,
  iterate,
  listOf,
  Macro,
  Namespace,
  payForKey,
  PyFunction,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from "./values.ts";

/** How deep statements, expressions and macros may be in each other as they run. */
const MAX_DEPTH = 1000;

/** Whether a loop's iteration goes on behind a statement, or what the loop does in its place. */
type Flow = "on" | "break" | "continue";

/**
 * The text that a template makes of its variables, by the rules of Jinja2's ImmutableSandboxedEnvironment. Throws an
 * Error where the template is wrong, where it fails, and where it takes more than `budget` has.
 */
export function render(template: string, variables: Iterable<readonly [string, Value]>, budget: Budget): string {
  const scope = new Scope(undefined, budget);
  for (const [name, value] of [...globalFunctions(budget), ...variables]) scope.set(name, value);
  try {
    return new Interpreter(budget).render(parse(template, budget), new Scope(scope, budget));
  } catch (error) {
    // What is left of the stack when a page or a program calls this is not known; a browser's error has another name.
    const isStack = error instanceof RangeError || (error instanceof Error && error.name === "InternalError");
    if (isStack) throw new Error("it is too deep in itself", { cause: error });
    throw error;
  }
}

class Interpreter {
  readonly #budget: Budget;
  #output: string[] = [];
  #depth = 0;

  constructor(budget: Budget) {
    this.#budget = budget;
  }

  render(statements: readonly Statement[], scope: Scope): string {
    this.#executeAll(statements, scope);
    return this.#output.join("");
  }

  #deeper(): void {
    this.#budget.spend(1);
    if (++this.#depth > MAX_DEPTH) throw new Error("it is too deep in itself");
  }

  #write(text: string): void {
    this.#budget.text(text.length);
    this.#output.push(text);
  }

  /** What `run` writes, and how it ended. */
  #captured(run: () => Flow): [string, Flow] {
    const outer = this.#output;
    this.#output = [];
    const flow = run();
    const text = this.#output.join("");
    this.#output = outer;
    this.#budget.text(text.length);
    return [text, flow];
  }

  #executeAll(statements: readonly Statement[], scope: Scope): Flow {
    for (const statement of statements) {
      this.#deeper();
      const flow = this.#execute(statement, scope);
      this.#depth--;
      if (flow !== "on") return flow;
    }
    return "on";
  }

  #execute(statement: Statement, scope: Scope): Flow {
    switch (statement.kind) {
      case "data":
        this.#write(statement.text);
        return "on";
      case "print":
        this.#write(textOf(this.#evaluate(statement.value, scope), this.#budget));
        return "on";
      case "choice":
        for (const [condition, body] of statement.branches) {
          if (isTrue(this.#evaluate(condition, scope))) return this.#executeAll(body, scope);
        }
        return this.#executeAll(statement.otherwise, scope);
      case "for":
        return this.#for(statement, this.#evaluate(statement.items, scope), scope, 0);
      case "set":
        this.#assign(statement.target, this.#evaluate(statement.value, scope), scope);
        return "on";
      case "setBlock": {
        const [text, flow] = this.#captured(() => this.#executeAll(statement.body, this.#inner(scope)));
        if (flow === "on") this.#assign(statement.target, this.#filtered(statement.filters, text, scope), scope);
        return flow;
      }
      case "filterBlock": {
        const [text, flow] = this.#captured(() => this.#executeAll(statement.body, this.#inner(scope)));
        if (flow === "on") this.#write(textOf(this.#filtered(statement.filters, text, scope), this.#budget));
        return flow;
      }
      case "with": {
        const inner = this.#inner(scope);
        for (const [target, value] of statement.variables) this.#assign(target, this.#evaluate(value, scope), inner);
        return this.#executeAll(statement.body, inner);
      }
      case "macro":
        scope.set(statement.macro.name, this.#macro(statement.macro, scope));
        return "on";
      case "callBlock": {
        const { positional, named } = this.#arguments(statement.args, scope);
        const caller = this.#macro(statement.caller, scope);
        const call = { positional, named: new Map([...named, ["caller", caller]]) };
        this.#write(textOf(this.#call(this.#evaluate(statement.callee, scope), call), this.#budget));
        return "on";
      }
      case "break":
      case "continue":
        return statement.kind;
    }
  }

  #inner(scope: Scope): Scope {
    this.#budget.spend(4);
    return new Scope(scope, this.#budget);
  }

  #for(node: ForNode, items: Value, scope: Scope, depth: number): Flow {
    const { condition } = node;
    this.#budget.closure();
    const source = condition ? new Generator(this.#chosen(node, condition, items, scope)) : items;
    const loop = new Loop(source, depth, ({ positional: [inner] }) => {
      if (!node.isRecursive) throw new Error("The loop must have the 'recursive' marker to be called recursively.");
      this.#deeper();
      const [text] = this.#captured(() => this.#for(node, inner ?? null, scope, depth + 1));
      this.#depth--;
      return text;
    }, this.#budget);
    let isDone = false;
    for (let item; (item = loop.next()) !== undefined;) {
      const inner = this.#inner(scope);
      this.#assign(node.target, item, inner);
      inner.set("loop", loop);
      const flow = this.#executeAll(node.body, inner);
      if (flow === "break") break;
      // Jinja2 notes at the end of an iteration that there was one: `else` runs behind a loop that only continued.
      if (flow === "on") isDone = true;
    }
    return isDone ? "on" : this.#executeAll(node.otherwise, this.#inner(scope));
  }

  *#chosen(node: ForNode, condition: Expression, items: Value, scope: Scope): Iterator<Value> {
    for (const item of iterate(items, this.#budget)) {
      const inner = this.#inner(scope);
      this.#assign(node.target, item, inner);
      if (isTrue(this.#evaluate(condition, inner))) yield item;
    }
  }

  #assign(target: Target, value: Value, scope: Scope): void {
    if (target.kind === "name") scope.set(target.name, value);
    else if (target.kind === "namespace") {
      const namespace = scope.get(target.name);
      if (!(namespace instanceof Namespace)) throw new Error("cannot assign attribute on non-namespace object");
      this.#budget.items(1);
      setField(namespace, target.field, value);
    } else {
      const values = listOf(value, this.#budget);
      const [wanted, got] = [target.targets.length, values.length];
      if (got < wanted) throw new Error(`not enough values to unpack (expected ${wanted}, got ${got})`);
      if (got > wanted) throw new Error(`too many values to unpack (expected ${wanted})`);
      target.targets.forEach((part, i) => this.#assign(part, values[i]!, scope));
    }
  }

  #filtered(filters: readonly FilterNode[], value: Value, scope: Scope): Value {
    for (const { name, args } of filters) value = applyFilter(name, value, this.#arguments(args, scope), this.#budget);
    return value;
  }

  #macro(node: MacroNode, scope: Scope): Macro {
    this.#budget.closure();
    return new Macro(node.name, ({ positional, named }) => {
      const inner = this.#inner(scope);
      if (named.size > 0) this.#budget.dict(2 * named.size);
      const left = new Map(named);
      const quoted = `macro '${node.name}'`;
      node.parameters.forEach(({ name, otherwise }, i) => {
        let value: Value | undefined = positional[i];
        if (value === undefined) {
          value = left.get(name);
          left.delete(name);
        }
        if (value === undefined && otherwise) value = this.#evaluate(otherwise, inner);
        inner.set(name, value === undefined ? new Undefined(`parameter '${name}' was not provided`) : value);
      });
      if (node.uses.has("caller") && !node.parameters.some(({ name }) => name === "caller")) {
        inner.set("caller", left.get("caller") ?? new Undefined("No caller defined"));
        left.delete("caller");
      }
      if (node.uses.has("kwargs")) inner.set("kwargs", new Dict(left));
      else if (left.size > 0) throw new Error(`${quoted} takes no keyword argument '${[...left.keys()][0]}'`);
      const rest = positional.slice(node.parameters.length);
      if (node.uses.has("varargs")) inner.set("varargs", new Tuple(rest));
      else if (rest.length > 0) throw new Error(`${quoted} takes not more than ${node.parameters.length} argument(s)`);
      this.#deeper();
      const [text] = this.#captured(() => this.#executeAll(node.body, inner));
      this.#depth--;
      return text;
    });
  }

  #arguments({ positional, named, rest, namedRest }: CallArguments, scope: Scope): Arguments {
    const values = positional.map((value) => this.#evaluate(value, scope));
    const byName = new Map(named.map(([name, value]) => [name, this.#evaluate(value, scope)]));
    if (rest) { for (const value of listOf(this.#evaluate(rest, scope), this.#budget)) values.push(value); }
    if (namedRest) {
      const more = this.#evaluate(namedRest, scope);
      if (!(more instanceof Dict)) throw new Error(`argument after ** must be a mapping, not ${typeName(more)}`);
      this.#budget.dict(more.length);
      for (const [name, value] of more.entries) byName.set(textOf(name, this.#budget), value);
    }
    return { positional: values, named: byName };
  }

  #call(callee: Value, call: Arguments): Value {
    if (callee instanceof Undefined) throw new Error(callee.message);
    if (!(callee instanceof PyFunction)) throw new Error(`'${typeName(callee)}' object is not callable`);
    return callee.call(call);
  }

  #evaluate(expression: Expression, scope: Scope): Value {
    this.#deeper();
    const value = this.#valueOf(expression, scope);
    this.#depth--;
    return value;
  }

  #valueOf(expression: Expression, scope: Scope): Value {
    const budget = this.#budget;
    switch (expression.kind) {
      case "const":
        return expression.value;
      case "name":
        return scope.get(expression.name);
      case "attribute":
        return attributeOf(this.#evaluate(expression.object, scope), expression.name, budget);
      case "item":
        return subscriptOf(this.#evaluate(expression.object, scope), this.#evaluate(expression.key, scope), budget);
      case "slice": {
        const object = this.#evaluate(expression.object, scope);
        const [start, stop, step] = expression.bounds.map((bound) => bound ? this.#evaluate(bound, scope) : null);
        return sliceOf(object, [start ?? null, stop ?? null, step ?? null], budget);
      }
      case "call":
        return this.#call(this.#evaluate(expression.callee, scope), this.#arguments(expression.args, scope));
      case "filter": {
        const input = this.#evaluate(expression.input, scope);
        return applyFilter(expression.name, input, this.#arguments(expression.args, scope), budget);
      }
      case "test": {
        const input = this.#evaluate(expression.input, scope);
        return applyTest(expression.name, input, this.#arguments(expression.args, scope), budget);
      }
      case "not":
        return !isTrue(this.#evaluate(expression.operand, scope));
      case "and": {
        const left = this.#evaluate(expression.left, scope);
        return isTrue(left) ? this.#evaluate(expression.right, scope) : left;
      }
      case "or": {
        const left = this.#evaluate(expression.left, scope);
        return isTrue(left) ? left : this.#evaluate(expression.right, scope);
      }
      case "if":
        if (isTrue(this.#evaluate(expression.condition, scope))) return this.#evaluate(expression.then, scope);
        return expression.otherwise
          ? this.#evaluate(expression.otherwise, scope)
          : new Undefined("the inline if-expression evaluated to false and no else section was defined.");
      case "compare":
        return this.#comparison(expression.first, expression.rest, scope);
      case "arithmetic": {
        const left = this.#evaluate(expression.left, scope);
        return arithmetic(expression.operator, left, this.#evaluate(expression.right, scope), budget);
      }
      case "sign":
        return signed(expression.operator, this.#evaluate(expression.operand, scope), budget);
      default:
        return this.#literal(expression, scope);
    }
  }

  #comparison(first: Expression, rest: readonly (readonly [string, Expression])[], scope: Scope): boolean {
    let left = this.#evaluate(first, scope);
    for (const [operator, operand] of rest) {
      const right = this.#evaluate(operand, scope);
      if (!compares(operator, left, right, this.#budget)) return false;
      left = right;
    }
    return true;
  }

  #literal(expression: Extract<Expression, { kind: "list" | "tuple" | "concat" | "dict" }>, scope: Scope): Value {
    if (expression.kind === "dict") {
      this.#budget.dict(expression.entries.length);
      return new Dict(
        expression.entries.map(([name, value]) => {
          const key = this.#evaluate(name, scope);
          payForKey(key, this.#budget);
          return [key, this.#evaluate(value, scope)] as const;
        }),
      );
    }
    const items = expression.items.map((item) => this.#evaluate(item, scope));
    if (expression.kind === "concat") return concatenate(items, this.#budget);
    this.#budget.items(1 + items.length);
    return expression.kind === "tuple" ? new Tuple(items) : items;
  }
}
