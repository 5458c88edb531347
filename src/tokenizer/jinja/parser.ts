import type { Expression, MacroNode, Parameter, Statement, Target } from "./ast.ts";
import type { Budget } from "./budget.ts";
import { ExpressionParser } from "./expressions.ts";
import { tokenize } from "./lexer.ts";
import { TokenStream } from "./token-stream.ts";

/** The statements of a template. Throws an Error that says in which line it is none, or that it takes too much. */
export function parse(template: string, budget: Budget): readonly Statement[] {
  return new Parser(new TokenStream(tokenize(template, budget))).statements([]);
}

const SPECIAL = ["caller", "kwargs", "varargs"];

/** Reads a template's statements, as Jinja2's parser does with the extensions that transformers has. */
class Parser {
  readonly #stream: TokenStream;
  readonly #expressions: ExpressionParser;
  /** Which of the special names each macro uses that is open here. */
  readonly #uses: Set<string>[] = [];
  #loops = 0;

  constructor(stream: TokenStream) {
    this.#stream = stream;
    this.#expressions = new ExpressionParser(stream, (name) => {
      if (SPECIAL.includes(name)) { for (const uses of this.#uses) uses.add(name); }
    });
  }

  /** All up to a tag of one of the names `ends`, which becomes the current token; without names, to the end. */
  statements(ends: readonly string[]): readonly Statement[] {
    return this.#stream.nested(() => {
      const statements: Statement[] = [];
      for (;;) {
        const { type, text } = this.#stream.current;
        if (type === "eof") {
          if (ends.length > 0) this.#stream.fail(`unexpected end of template, expected '${ends.at(-1)}'`);
          return statements;
        }
        this.#stream.take();
        if (type === "data") statements.push({ kind: "data", text });
        else if (text === "{") {
          statements.push({ kind: "print", value: this.#tuple() });
          this.#stream.expectEnd();
        } else {
          if (this.#stream.isName(...ends)) return statements;
          statements.push(this.#statement());
          this.#stream.expectEnd();
        }
      }
    });
  }

  /** The body of a block, with its end tag's name. */
  #body(...ends: readonly string[]): readonly Statement[] {
    this.#stream.expectEnd();
    return this.statements(ends);
  }

  /** The same, up to the one end that the block has. */
  #whole(end: string): readonly Statement[] {
    const body = this.#body(end);
    this.#stream.take();
    return body;
  }

  #tuple(): Expression {
    return this.#expressions.tuple(() => this.#expressions.expression());
  }

  #statement(): Statement {
    const name = this.#stream.expectName();
    switch (name) {
      case "for":
        return this.#for();
      case "if":
        return this.#if();
      case "set":
        return this.#set();
      case "with":
        return this.#with();
      case "macro":
        return { kind: "macro", macro: this.#macro() };
      case "call":
        return this.#call();
      case "filter":
        return { kind: "filterBlock", filters: this.#expressions.filters(true), body: this.#whole("endfilter") };
      case "print":
        return { kind: "print", value: this.#tuple() };
      case "generation":
        // It marks what an assistant wrote, for training; to the text it adds nothing.
        return { kind: "with", variables: [], body: this.#whole("endgeneration") };
      case "break":
      case "continue":
        if (this.#loops === 0) this.#stream.fail(`'${name}' outside loop`);
        return { kind: name };
    }
    return this.#stream.fail(`Encountered unknown tag '${name}'.`);
  }

  #for(): Statement {
    const target = this.#target("in");
    this.#stream.expectName("in");
    const items = this.#expressions.tuple(
      () => this.#expressions.withoutChoice(),
      () => this.#stream.isName("recursive"),
    );
    const condition = this.#stream.skipName("if") ? this.#expressions.expression() : undefined;
    const isRecursive = this.#stream.skipName("recursive");
    this.#loops++;
    const body = this.#body("else", "endfor");
    this.#loops--;
    const otherwise = this.#stream.take().text === "else" ? this.#whole("endfor") : [];
    return { kind: "for", target, items, condition, isRecursive, body, otherwise };
  }

  #if(): Statement {
    const branches: (readonly [Expression, readonly Statement[]])[] = [];
    for (;;) {
      const condition = this.#expressions.tuple(() => this.#expressions.withoutChoice());
      branches.push([condition, this.#body("elif", "else", "endif")]);
      const end = this.#stream.take().text;
      if (end !== "elif") return { kind: "choice", branches, otherwise: end === "else" ? this.#whole("endif") : [] };
    }
  }

  #set(): Statement {
    const target = this.#target("=");
    if (this.#stream.skipOperator("=")) return { kind: "set", target, value: this.#tuple() };
    const filters = this.#expressions.filters(false);
    return { kind: "setBlock", target, filters, body: this.#whole("endset") };
  }

  #with(): Statement {
    const variables: [Target, Expression][] = [];
    while (this.#stream.current.type !== "end") {
      if (variables.length > 0) this.#stream.expectOperator(",");
      const target = this.#target("=");
      this.#stream.expectOperator("=");
      variables.push([target, this.#expressions.expression()]);
    }
    return { kind: "with", variables, body: this.#whole("endwith") };
  }

  #macro(): MacroNode {
    const name = this.#stream.expectName();
    return this.#callable(name, this.#parameters(), "endmacro");
  }

  #call(): Statement {
    const parameters = this.#stream.isOperator("(") ? this.#parameters() : [];
    const call = this.#expressions.expression();
    if (call.kind !== "call") return this.#stream.fail("expected call");
    return { ...call, kind: "callBlock", caller: this.#callable("caller", parameters, "endcall") };
  }

  /** A macro's body, and which special names it uses. A loop around it is none of its own. */
  #callable(name: string, parameters: readonly Parameter[], end: string): MacroNode {
    const uses = new Set<string>();
    const loops = this.#loops;
    this.#uses.push(uses);
    this.#loops = 0;
    const body = this.#whole(end);
    this.#loops = loops;
    this.#uses.pop();
    return { name, parameters, body, uses };
  }

  #parameters(): Parameter[] {
    const parameters: Parameter[] = [];
    this.#stream.expectOperator("(");
    while (!this.#stream.isOperator(")")) {
      if (parameters.length > 0) this.#stream.expectOperator(",");
      const name = this.#stream.expectName();
      const otherwise = this.#stream.skipOperator("=") ? this.#expressions.expression() : undefined;
      if (otherwise === undefined && parameters.at(-1)?.otherwise !== undefined) {
        this.#stream.fail("non-default argument follows default argument");
      }
      parameters.push({ name, otherwise });
    }
    this.#stream.expectOperator(")");
    return parameters;
  }

  /** What is assigned to: a name, a namespace's field where `=` follows, or several with commas. */
  #target(end: "=" | "in"): Target {
    const targets: Target[] = [];
    let isTuple = false;
    const isEnd = () =>
      this.#stream.current.type === "end" || this.#stream.isName("in") || this.#stream.isOperator("=", ")");
    while (!isEnd()) {
      targets.push(this.#singleTarget(end));
      if (!this.#stream.skipOperator(",")) break;
      isTuple = true;
    }
    if (targets.length === 0) this.#stream.fail(`expected a name, got ${this.#stream.shown()}`);
    return isTuple ? { kind: "targets", targets } : targets[0]!;
  }

  #singleTarget(end: "=" | "in"): Target {
    if (this.#stream.skipOperator("(")) {
      const target = this.#stream.nested(() => this.#target(end));
      this.#stream.expectOperator(")");
      return target;
    }
    const name = this.#stream.expectName();
    if (end === "=" && this.#stream.skipOperator(".")) {
      return { kind: "namespace", name, field: this.#stream.expectName() };
    }
    if (/^(true|false|none)$/i.test(name)) this.#stream.fail(`can't assign to '${name}'`);
    return { kind: "name", name };
  }
}
