/** A loop stays a loop if its copies would have more characters: SwiftShader compiles 1000 of them in 4 to 8 ms. */
const MOST_CHARS = 2 ** 15;

/**
 * Unrolls WGSL: the text returned does the same as `code`. Loops of the form `for (var i = A; i < B; i++)` with
 * constant A and B and without `break` or `continue` are written out. A function that is called with constants gets a
 * copy in which the constants stand in place of its parameters. A shuffle from a constant lane becomes a broadcast.
 * Throws a SyntaxError where a bracket isn't closed.
 *
 * SwiftShader wants such text: it unrolls no loop, keeps an array in memory if one of the array's indices isn't a
 * constant in the text, and compares with all lanes at each shuffle. Unrolled, a product takes a quarter of the time
 * there. llvmpipe unrolls by itself: from unrolled text its products have other bits, and with four rows of Q8_0 half
 * the speed (lab/kernels).
 */
export function unrolledText(code: string): string {
  return new Unroller(code.replace(/\/\/.*/g, "")).text;
}

interface Parameter {
  readonly name: string;
  readonly type: string;
}

interface WgslFunction {
  readonly attributes: string;
  readonly parameters: readonly Parameter[];
  /** The text between the parameters and the body: the type that is returned, if any. */
  readonly result: string;
  readonly body: string;
}

class Unroller {
  readonly text: string;
  readonly #functions = new Map<string, WgslFunction>();
  readonly #constants = new Map<string, number>();
  /** The texts of `main` and of all functions that it calls, directly or not, by their names in the result. */
  readonly #written = new Map<string, string>();

  constructor(code: string) {
    let rest = "";
    let at = 0;
    for (const match of code.matchAll(/^((?:@[^;\n]+?\s)?)fn (\w+)\(/gm)) {
      const parametersAt = match.index + match[0].length - 1;
      const parametersEnd = closing(code, parametersAt);
      const bodyAt = code.indexOf("{", parametersEnd);
      const bodyEnd = closing(code, bodyAt);
      this.#functions.set(match[2]!, {
        attributes: match[1]!,
        parameters: splitList(code.slice(parametersAt + 1, parametersEnd)).map((parameter) => {
          const [name, type] = parameter.split(/: (.*)/s);
          return { name: name!, type: type! };
        }),
        result: code.slice(parametersEnd + 1, bodyAt),
        body: code.slice(bodyAt + 1, bodyEnd),
      });
      rest += code.slice(at, match.index);
      at = bodyEnd + 1;
    }
    rest += code.slice(at);
    for (const [, name, expression] of rest.matchAll(/^const (\w+) = (.*);/gm)) {
      const value = this.#evaluate(expression!);
      if (value !== null) this.#constants.set(name!, value);
    }
    this.#write("main", []);
    this.text = rest + [...this.#written.values()].join("\n");
  }

  /** Writes a function for the constants among its arguments (`null`: no constant); returns its name in the result. */
  #write(name: string, values: readonly (number | null)[]): string {
    const { attributes, parameters, result, body } = this.#functions.get(name)!;
    const isCopy = values.some((value) => value !== null);
    const ownName = isCopy ? [name, ...values.map((value) => value ?? "")].join("_") : name;
    if (!this.#written.has(ownName)) {
      this.#written.set(ownName, "");
      let text = body;
      for (const [i, { name }] of parameters.entries()) text = substitute(text, name, values[i] ?? null);
      const left = parameters.filter((_, i) => (values[i] ?? null) === null).map(({ name, type }) =>
        `${name}: ${type}`
      );
      this.#written.set(
        ownName,
        `${attributes}fn ${ownName}(${left.join(", ")})${result}{${this.#withCopies(this.#unroll(text))}}`,
      );
    }
    return ownName;
  }

  #unroll(text: string): string {
    const pattern = /\b(?:let|const) (\w+) = ([^;]+);|\bfor \(var (\w+) = (\w+); \3 < ([^;]+); \3\+\+\) \{/g;
    for (let match; (match = pattern.exec(text));) {
      const [statement, constant, expression, variable, first, bound] = match;
      const before = text.slice(0, match.index);
      if (constant) {
        const value = this.#evaluate(expression!);
        if (value === null) continue;
        text = before + substitute(text.slice(pattern.lastIndex), constant, value);
        pattern.lastIndex = before.length;
        continue;
      }
      const [from, to] = [this.#evaluate(first!), this.#evaluate(bound!)];
      const end = closing(text, match.index + statement.length - 1);
      const body = text.slice(match.index + statement.length, end);
      if (from === null || to === null || /\b(break|continue)\b/.test(body)) continue;
      let copies = "";
      for (let i = from; i < to; i++) copies += `{${this.#unroll(substitute(body, variable!, i))}}\n`;
      if (copies.length > MOST_CHARS) continue;
      text = before + copies + text.slice(end + 1);
      pattern.lastIndex = before.length + copies.length;
    }
    return text;
  }

  /** The text with calls of copies in place of calls with constants. */
  #withCopies(text: string): string {
    let result = "";
    let at = 0;
    const pattern = /\b(\w+)\(/g;
    for (let match; (match = pattern.exec(text));) {
      const called = this.#functions.get(match[1]!);
      const isShuffle = match[1] === "subgroupShuffle";
      if (!called && !isShuffle) continue;
      const end = closing(text, pattern.lastIndex - 1);
      const args = splitList(text.slice(pattern.lastIndex, end));
      const values = args.map((arg, i) => !called || called.parameters[i]!.type === "u32" ? this.#evaluate(arg) : null);
      let name = match[1]!;
      if (called) name = this.#write(name, values);
      else if (values[1] !== null) name = "subgroupBroadcast";
      const left = called ? args.filter((_, i) => values[i] === null) : args;
      result += `${text.slice(at, match.index)}${name}(${left.map((arg) => this.#withCopies(arg)).join(", ")})`;
      at = pattern.lastIndex = end + 1;
    }
    return result + text.slice(at);
  }

  /** The value of an expression of whole numbers, constants, + - * / % and parentheses; `null` for any other text. */
  #evaluate(expression: string): number | null {
    const tokens = expression.match(/\w+|[^\s\w]/g) ?? [];
    const operand = (): number => {
      const token = tokens.shift() ?? "";
      if (token === "(") {
        const value = sum(0);
        return tokens.shift() === ")" ? value : NaN;
      }
      return /^\d+u$/.test(token) ? parseInt(token) : this.#constants.get(token) ?? NaN;
    };
    const sum = (least: number): number => {
      let value = operand();
      for (let level; (level = LEVELS[tokens[0] ?? ""] ?? -1) >= least;) {
        const operator = tokens.shift()!;
        const right = sum(level + 1);
        if (operator === "+") value += right;
        else if (operator === "-") value -= right;
        else if (operator === "*") value *= right;
        else value = operator === "/" ? Math.floor(value / right) : value % right;
      }
      return value;
    };
    const value = sum(0);
    return tokens.length === 0 && Number.isSafeInteger(value) && value >= 0 ? value : null;
  }
}

/** How strongly each operator binds. */
const LEVELS: Readonly<Record<string, number>> = { "+": 0, "-": 0, "*": 1, "/": 1, "%": 1 };

/** The text with `value` in place of each `name`; `null` leaves the text as it is. */
function substitute(text: string, name: string, value: number | null): string {
  return value === null ? text : text.replace(new RegExp(`(?<![.\\w])${name}\\b`, "g"), `${value}u`);
}

/** The index at which the bracket that opens at index `open` is closed. */
function closing(text: string, open: number): number {
  let depth = 0;
  for (let i = open; i < text.length; i++) {
    if ("([{".includes(text[i]!)) depth++;
    else if (")]}".includes(text[i]!) && --depth === 0) return i;
  }
  throw new SyntaxError(`Cannot read WGSL: "${text.slice(open, open + 40)}" has no end`);
}

/** The parts of a list, cut at its commas outside of brackets. A `<` between spaces is an operator, no bracket. */
function splitList(text: string): string[] {
  const parts: string[] = [];
  let [from, depth] = [0, 0];
  for (const { 0: token, index } of text.matchAll(/ [<>]\S* |[([{<]|[)\]}>]|,/g)) {
    if ("([{<".includes(token)) depth++;
    else if (")]}>".includes(token)) depth--;
    else if (token === "," && depth === 0) {
      parts.push(text.slice(from, index).trim());
      from = index + 1;
    }
  }
  return [...parts, text.slice(from).trim()].filter((part) => part !== "");
}
