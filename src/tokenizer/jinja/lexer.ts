import type { Budget } from "./budget.ts";
import { replaceEach, SPACE } from "./text.ts";

/** A token: `text` is a name, an operator, a number's digits, a string's value, or the text between tags. */
export interface Token {
  readonly type: "data" | "begin" | "end" | "name" | "string" | "integer" | "float" | "operator" | "eof";
  readonly text: string;
  readonly line: number;
}

const WHITE = new RegExp(`[${SPACE}]*`, "y");
const TRAILING = new RegExp(`[${SPACE}]$`);
const ALL_WHITE = new RegExp(`^[${SPACE}]+$`);
const TOKENS: readonly (readonly [Token["type"], RegExp])[] = [
  ["float", /(?<!\.)(?:\d+_)*\d+(?:(?:\.(?:\d+_)*\d+)?e[+-]?(?:\d+_)*\d+|\.(?:\d+_)*\d+)/iy],
  ["integer", /0b(?:_?[01])+|0o(?:_?[0-7])+|0x(?:_?[\da-f])+|[1-9](?:_?\d)*|0(?:_?0)*/iy],
  ["name", /[\p{L}\p{N}_]+/uy],
  ["string", /'[^'\\]*(?:\\[^][^'\\]*)*'|"[^"\\]*(?:\\[^][^"\\]*)*"/y],
  ["operator", /\/\/|\*\*|==|!=|>=|<=|[-+/*%~[\](){}><=.:|,;]/y],
];
const CLOSING: Readonly<Record<string, string>> = { "(": ")", "[": "]", "{": "}" };

/**
 * A template's tokens, as Jinja2's lexer finds them with trim_blocks and lstrip_blocks: the line end behind a block and
 * the white space before it on its line are no text. Throws an Error for what is no template.
 */
export function tokenize(template: string, budget: Budget): Token[] {
  budget.text(4 * template.length);
  // Jinja2 takes all line ends as one, and drops the last one.
  const source = template.replace(/\r\n?/g, "\n").replace(/\n$/, "");
  const tokens: Token[] = [];
  let [at, line, isLineStart] = [0, 1, true];

  // Where the next line ends is looked for once a line, or a long line of many tokens would be walked for each.
  let lineEnd = source.indexOf("\n");
  const lineAt = (place: number) => {
    for (; lineEnd >= 0 && lineEnd < place; line++) lineEnd = source.indexOf("\n", lineEnd + 1);
    return line;
  };
  const fail = (message: string, place = at): never => {
    throw new Error(`line ${lineAt(place)}: ${message}`);
  };
  const push = (type: Token["type"], text: string) => {
    // A token, and the node that it becomes.
    budget.items(3);
    budget.spend(4);
    tokens.push({ type, text, line: lineAt(at) });
  };
  /** Goes to `place`, and beyond the white space there that the tag's end takes away. */
  const leave = (place: number, sign: string, trims: boolean) => {
    at = place;
    if (sign === "-") {
      WHITE.lastIndex = at;
      at += WHITE.exec(source)![0].length;
    } else if (trims && sign !== "+" && source[at] === "\n") at++;
    isLineStart = source[at - 1] === "\n";
  };
  /** The text before a tag, without the white space that the tag takes away. */
  const data = (end: number, sign: string, isVariable: boolean) => {
    let text = source.slice(at, end);
    if (sign === "-") {
      let length = text.length;
      while (length > 0 && TRAILING.test(text[length - 1]!)) length--;
      text = text.slice(0, length);
    } else if (sign !== "+" && !isVariable) {
      const start = text.lastIndexOf("\n") + 1;
      if ((start > 0 || isLineStart) && ALL_WHITE.test(text.slice(start))) text = text.slice(0, start);
    }
    if (text !== "") push("data", text);
    at = end;
  };
  const signAt = (place: number) => (source[place] === "-" || source[place] === "+" ? source[place]! : "");

  const tag = /\{[{%#]/g;
  const raw = new RegExp(`\\{%[-+]?[${SPACE}]*raw[${SPACE}]*(-?)%\\}`, "y");
  const endRaw = new RegExp(`\\{%([-+]?)[${SPACE}]*endraw[${SPACE}]*([-+]?)%\\}`, "g");
  while (at < source.length) {
    tag.lastIndex = at;
    const start = tag.exec(source)?.index;
    if (start === undefined) {
      push("data", source.slice(at));
      break;
    }
    const kind = source[start + 1]!;
    const sign = signAt(start + 2);
    raw.lastIndex = start;
    const opening = raw.exec(source);
    data(start, sign, kind === "{");
    if (opening) {
      leave(raw.lastIndex, opening[1]!, false);
      endRaw.lastIndex = at;
      const closing = endRaw.exec(source) ?? fail("Missing end of raw directive");
      data(closing.index, closing[1]!, false);
      leave(endRaw.lastIndex, closing[2]!, true);
    } else if (kind === "#") {
      const end = source.indexOf("#}", start + 2 + sign.length);
      if (end < 0) fail("Missing end of comment tag");
      const mark = end > start + 2 + sign.length ? signAt(end - 1) : "";
      leave(end + 2, mark, true);
    } else {
      push("begin", kind);
      at = start + 2 + sign.length;
      readTag(kind === "{" ? "}}" : "%}");
    }
  }
  push("eof", "");
  return tokens;

  /** The tokens within `{{ }}` or `{% %}`, up to and with its end. */
  function readTag(end: string): void {
    const open: string[] = [];
    for (;;) {
      WHITE.lastIndex = at;
      at += WHITE.exec(source)![0].length;
      if (at >= source.length) return;
      const sign = signAt(at);
      const isEnd = source.startsWith(end, at + sign.length) && !(sign === "+" && end === "}}");
      if (open.length === 0 && isEnd) {
        push("end", end);
        return leave(at + sign.length + 2, sign, end === "%}");
      }
      const [type, text] = readToken();
      if (type === "operator") {
        if (CLOSING[text]) open.push(CLOSING[text]);
        else if (text === ")" || text === "]" || text === "}") {
          const wanted = open.pop();
          if (wanted !== text) fail(`unexpected '${text}'` + (wanted ? `, expected '${wanted}'` : ""));
        }
      }
      push(type, type === "string" ? unescape(text.slice(1, -1), budget) : text);
      at += text.length;
    }
  }

  function readToken(): [Token["type"], string] {
    for (const [type, pattern] of TOKENS) {
      pattern.lastIndex = at;
      const text = pattern.exec(source)?.[0];
      if (text !== undefined) return [type, text];
    }
    return fail(`unexpected char '${source[at]}'`);
  }
}

const ESCAPES: Readonly<Record<string, string>> = {
  "\n": "",
  "a": "\x07",
  "b": "\b",
  "f": "\f",
  "n": "\n",
  "r": "\r",
  "t": "\t",
  "v": "\v",
};

/** A string literal's value by Python's escapes. */
function unescape(text: string, budget: Budget): string {
  const escape = /\\(?:x([\da-f]{2})|u([\da-f]{4})|U([\da-f]{8})|([0-7]{1,3})|([^]))/gi;
  return replaceEach(text, escape, ([whole, x, u, long, octal, other = ""]) => {
    const hex = whole[1] === "x" ? x : whole[1] === "u" ? u : whole[1] === "U" ? long : undefined;
    if (hex !== undefined) {
      const code = parseInt(hex, 16);
      if (code > 0x10ffff) throw new Error(`illegal Unicode character ${whole}`);
      return String.fromCodePoint(code);
    }
    if (octal !== undefined) return String.fromCodePoint(parseInt(octal, 8));
    return ESCAPES[other] ?? (other === "" ? whole : "\\'\"".includes(other) ? other : whole);
  }, budget);
}
