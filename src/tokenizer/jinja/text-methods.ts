import type { Budget } from "./budget.ts";
import { asInt, asText, type Builtin, builtin } from "./builtin.ts";
import { replaceEach, SPACE } from "./text.ts";
import { characterCount, charactersOf, iterate, Tuple, typeName, type Value } from "./values.ts";

const text = (
  name: string,
  parameters: string,
  apply: (self: string, args: readonly (Value | undefined)[], budget: Budget) => Value,
): [string, Builtin<string>] => [name, builtin(name, parameters, apply)];

/** A method that says whether all of a text's characters are of a kind, and there is one. */
const all = (name: string, pattern: RegExp) => text(name, "", (self) => pattern.test(self));

/** The methods of Python's str, but format() and format_map(), which read attributes. */
export const TEXT_METHODS: ReadonlyMap<string, Builtin<string>> = new Map([
  text("capitalize", "", capitalize),
  text("casefold", "", (self) => self.replaceAll("ß", "ss").toLowerCase()),
  text("lower", "", (self) => self.toLowerCase()),
  text("upper", "", (self) => self.toUpperCase()),
  text("title", "", (self, _, budget) => capitalizeAll(self, /\p{L}+/gu, budget)),
  text(
    "swapcase",
    "",
    (self, _, budget) =>
      replaceEach(
        self,
        /\p{L}/gu,
        ([c]) => c === c.toUpperCase() ? c.toLowerCase() : c === c.toLowerCase() ? c.toUpperCase() : c,
        budget,
      ),
  ),

  text("strip", "chars?", (self, [chars]) => strip(self, chars, true, true)),
  text("lstrip", "chars?", (self, [chars]) => strip(self, chars, true, false)),
  text("rstrip", "chars?", (self, [chars]) => strip(self, chars, false, true)),
  text("removeprefix", "prefix", (self, [prefix]) => {
    const start = asText(prefix, "prefix");
    return self.startsWith(start) ? self.slice(start.length) : self;
  }),
  text("removesuffix", "suffix", (self, [suffix]) => {
    const end = asText(suffix, "suffix");
    return end !== "" && self.endsWith(end) ? self.slice(0, -end.length) : self;
  }),
  text(
    "replace",
    "old new count?",
    (self, [old, by, count], budget) =>
      replace(self, asText(old, "old"), asText(by, "new"), asInt(count, "count", -1), budget),
  ),

  text(
    "split",
    "sep? maxsplit?",
    (self, [separator, limit], budget) => split(self, separator, asInt(limit, "maxsplit", -1), budget),
  ),
  text(
    "rsplit",
    "sep? maxsplit?",
    (self, [separator, limit], budget) => splitFromRight(self, separator, asInt(limit, "maxsplit", -1), budget),
  ),
  text("splitlines", "keepends?", (self, [keep], budget) => splitLines(self, asInt(keep, "keepends", 0) !== 0, budget)),
  text("partition", "sep", (self, [separator], budget) => {
    const at = indexIn(self, separator, false, budget);
    const end = at + asText(separator, "sep").length;
    return new Tuple(at < 0 ? [self, "", ""] : [self.slice(0, at), separator!, self.slice(end)]);
  }),
  text("rpartition", "sep", (self, [separator], budget) => {
    const at = indexIn(self, separator, true, budget);
    const end = at + asText(separator, "sep").length;
    return new Tuple(at < 0 ? ["", "", self] : [self.slice(0, at), separator!, self.slice(end)]);
  }),
  text("join", "iterable", (self, [items], budget) => {
    let [joined, isFirst] = ["", true];
    for (const item of iterate(items!, budget)) {
      if (typeof item !== "string") throw new Error(`sequence item: expected str instance, ${typeName(item)} found`);
      budget.text(item.length + self.length);
      joined += isFirst ? item : self + item;
      isFirst = false;
    }
    return joined;
  }),

  text(
    "startswith",
    "prefix start? end?",
    (self, [prefix, start, end], budget) =>
      choices(prefix!).some((choice) => part(self, start, end, budget).text.startsWith(choice)),
  ),
  text(
    "endswith",
    "suffix start? end?",
    (self, [suffix, start, end], budget) =>
      choices(suffix!).some((choice) => part(self, start, end, budget).text.endsWith(choice)),
  ),
  text("find", "sub start? end?", (self, args, budget) => find(self, args, false, budget)),
  text("rfind", "sub start? end?", (self, args, budget) => find(self, args, true, budget)),
  text("index", "sub start? end?", (self, args, budget) => found(find(self, args, false, budget))),
  text("rindex", "sub start? end?", (self, args, budget) => found(find(self, args, true, budget))),
  text("count", "sub start? end?", (self, [sub, start, end], budget) => {
    const { text, from, to } = part(self, start, end, budget);
    const needle = asText(sub, "sub");
    if (needle === "") return BigInt(Math.max(0, to - from + 1));
    let count = 0n;
    budget.search(text.length, needle.length);
    for (let at = text.indexOf(needle); at >= 0; at = text.indexOf(needle, at + needle.length)) {
      budget.spend(1);
      count++;
    }
    return count;
  }),

  text("center", "width fillchar?", (self, [width, fill], budget) => pad(self, width, fill, "center", budget)),
  text("ljust", "width fillchar?", (self, [width, fill], budget) => pad(self, width, fill, "left", budget)),
  text("rjust", "width fillchar?", (self, [width, fill], budget) => pad(self, width, fill, "right", budget)),
  text("zfill", "width", (self, [width], budget) => {
    const sign = /^[+-]/.exec(self)?.[0] ?? "";
    const zeros = Math.max(0, asInt(width, "width") - characterCount(self, budget));
    budget.text(zeros);
    return sign + "0".repeat(zeros) + self.slice(sign.length);
  }),
  text("expandtabs", "tabsize?", (self, [size], budget) => {
    const width = Math.max(0, asInt(size, "tabsize", 8));
    let [column, from] = [0, 0];
    return replaceEach(self, /[\t\n\r]/g, ({ 0: character, index: at }) => {
      column += characterCount(self.slice(from, at), budget);
      from = at + 1;
      if (character !== "\t") {
        column = 0;
        return character;
      }
      const count = width > 0 ? width - column % width : 0;
      budget.text(count);
      column += count;
      return " ".repeat(count);
    }, budget);
  }),

  all("isalnum", /^[\p{L}\p{N}]+$/u),
  all("isalpha", /^\p{L}+$/u),
  // deno-lint-ignore no-control-regex
  text("isascii", "", (self) => /^[\0-\x7f]*$/.test(self)),
  all("isdecimal", /^\p{Nd}+$/u),
  all("isdigit", /^[\p{Nd}²³¹⁰-⁹₀-₉①-⑨]+$/u),
  all("isnumeric", /^\p{N}+$/u),
  all("isidentifier", /^[\p{XID_Start}_]\p{XID_Continue}*$/u),
  text("isprintable", "", (self) => !/(?! )[\p{C}\p{Z}]/u.test(self)),
  all("isspace", new RegExp(`^[${SPACE}]+$`)),
  text("islower", "", (self) => /\p{Ll}/u.test(self) && !/[\p{Lu}\p{Lt}]/u.test(self)),
  text("isupper", "", (self) => /\p{Lu}/u.test(self) && !/[\p{Ll}\p{Lt}]/u.test(self)),
  text("istitle", "", (self) => /\p{Lu}/u.test(self) && !/[\p{L}][\p{Lu}]|(?<!\p{L})\p{Ll}/u.test(self)),
]);

/** The same for all that a pattern finds. */
export function capitalizeAll(text: string, word: RegExp, budget: Budget): string {
  return replaceEach(text, word, ([found]) => capitalize(found), budget);
}

/** The first character in upper case, all others in lower case. */
export function capitalize(text: string): string {
  const first = text === "" ? "" : String.fromCodePoint(text.codePointAt(0)!);
  return first.toUpperCase() + text.slice(first.length).toLowerCase();
}

const SPACES_BEFORE = new RegExp(`^[${SPACE}]+`);
const IS_SPACE = new RegExp(`[${SPACE}]`);

/** Python's strip(): takes the characters of `chars` from the ends, white space where it isn't given or is None. */
export function strip(text: string, chars: Value | undefined, atStart: boolean, atEnd: boolean): string {
  if (chars !== undefined && chars !== null) return stripCharacters(text, asText(chars, "chars"), atStart, atEnd);
  const start = atStart ? SPACES_BEFORE.exec(text)?.[0].length ?? 0 : 0;
  // Not by a pattern with `$`, which would try each of a text's spaces as the first of the last.
  let end = text.length;
  while (atEnd && end > start && IS_SPACE.test(text[end - 1]!)) end--;
  return text.slice(start, end);
}

function stripCharacters(text: string, chars: string, atStart: boolean, atEnd: boolean): string {
  const set = new Set(chars);
  let [from, to] = [0, text.length];
  while (atStart && from < to) {
    const character = String.fromCodePoint(text.codePointAt(from)!);
    if (!set.has(character)) break;
    from += character.length;
  }
  while (atEnd && from < to) {
    const isPair = /[\udc00-\udfff]/.test(text[to - 1]!) && to - 1 > from;
    const character = text.slice(isPair ? to - 2 : to - 1, to);
    if (!set.has(character)) break;
    to -= character.length;
  }
  return text.slice(from, to);
}

/** Python's replace(): `count` times at most, always where it is negative. */
export function replace(text: string, old: string, by: string, count: number, budget: Budget): string {
  if (count === 0) return text;
  const limit = count < 0 ? Infinity : count;
  if (old === "") {
    budget.items(text.length);
    const characters = Array.from(text);
    budget.text(text.length + by.length * Math.min(limit, characters.length + 1));
    const filled = characters.map((character, i) => (i < limit ? by : "") + character).join("");
    return filled + (characters.length < limit ? by : "");
  }
  const pieces = separate(text, old, limit, budget);
  budget.text(text.length + (pieces.length - 1) * by.length);
  return pieces.join(by);
}

/** The pieces of a text between separators, `limit` of which are looked for from the start. */
function separate(text: string, separator: string, limit: number, budget: Budget): string[] {
  budget.search(text.length, separator.length);
  const pieces: string[] = [];
  let from = 0;
  for (let at; pieces.length < limit && (at = text.indexOf(separator, from)) >= 0; from = at + separator.length) {
    budget.items(1);
    pieces.push(text.slice(from, at));
  }
  pieces.push(text.slice(from));
  return pieces;
}

function separatorOf(separator: Value | undefined): string | undefined {
  if (separator === undefined || separator === null) return undefined;
  if (asText(separator, "sep") === "") throw new Error("empty separator");
  return asText(separator, "sep");
}

function split(text: string, by: Value | undefined, count: number, budget: Budget): string[] {
  const limit = count < 0 ? Infinity : count;
  const separator = separatorOf(by);
  if (separator !== undefined) return separate(text, separator, limit, budget);
  const words: string[] = [];
  const word = new RegExp(`[^${SPACE}]+`, "g");
  for (let match; (match = word.exec(text));) {
    budget.items(1);
    if (words.length === limit) return [...words, text.slice(match.index)];
    words.push(match[0]);
  }
  return words;
}

function splitFromRight(text: string, by: Value | undefined, count: number, budget: Budget): string[] {
  if (count < 0) return split(text, by, count, budget);
  const separator = separatorOf(by);
  const pieces = separator === undefined
    ? split(text, undefined, -1, budget)
    : separate(text, separator, Infinity, budget);
  if (pieces.length <= count || (separator !== undefined && pieces.length === count + 1)) return pieces;
  const last = count === 0 ? [] : pieces.slice(-count);
  const tail = last.reduce((sum, piece) => sum + piece.length, 0);
  if (separator !== undefined) {
    return [text.slice(0, text.length - tail - count * separator.length), ...last];
  }
  let end = text.length;
  for (const piece of last.toReversed()) end = text.lastIndexOf(piece, end - piece.length);
  return [strip(text.slice(0, end), undefined, false, true), ...last];
}

/** Python's splitlines(). */
export function splitLines(text: string, keepEnds: boolean, budget: Budget): string[] {
  const lines: string[] = [];
  // deno-lint-ignore no-control-regex
  const end = /\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/g;
  let from = 0;
  for (let match; (match = end.exec(text)); from = end.lastIndex) {
    budget.items(1);
    lines.push(text.slice(from, keepEnds ? end.lastIndex : match.index));
  }
  return from < text.length ? [...lines, text.slice(from)] : lines;
}

function choices(value: Value): string[] {
  return value instanceof Tuple ? value.items.map((item) => asText(item, "prefix")) : [asText(value, "prefix")];
}

/** The part of a text between two places as slices count them, and where it lies, in characters. */
function part(self: string, start: Value | undefined, end: Value | undefined, budget: Budget) {
  if (start === undefined && end === undefined) return { text: self, from: 0, to: characterCount(self, budget) };
  const characters = charactersOf(self, budget);
  const place = (value: Value | undefined, otherwise: number) => {
    const at = asInt(value, "slice indices", otherwise);
    return Math.min(characters.length, at < 0 ? Math.max(0, at + characters.length) : at);
  };
  const [from, to] = [place(start, 0), place(end, characters.length)];
  const piece = characters.slice(from, Math.max(from, to));
  return { text: typeof piece === "string" ? piece : piece.join(""), from, to };
}

function find(
  self: string,
  [sub, start, end]: readonly (Value | undefined)[],
  isLast: boolean,
  budget: Budget,
): bigint {
  const { text, from, to } = part(self, start, end, budget);
  if (from > to) return -1n;
  const at = indexIn(text, sub, isLast, budget, true);
  return at < 0 ? -1n : BigInt(from + characterCount(text.slice(0, at), budget));
}

function indexIn(text: string, sub: Value | undefined, isLast: boolean, budget: Budget, mayBeEmpty = false): number {
  const needle = asText(sub, "sub");
  if (needle === "" && !mayBeEmpty) throw new Error("empty separator");
  budget.search(text.length, needle.length);
  return isLast ? text.lastIndexOf(needle) : text.indexOf(needle);
}

function found(at: bigint): bigint {
  if (at < 0n) throw new Error("substring not found");
  return at;
}

/** Python's center(), ljust() and rjust(). */
export function pad(
  text: string,
  width: Value | undefined,
  fill: Value | undefined,
  where: "left" | "center" | "right",
  budget: Budget,
): string {
  const length = characterCount(text, budget);
  const missing = Math.max(0, asInt(width, "width") - length);
  const by = fill === undefined ? " " : asText(fill, "fillchar");
  if (Array.from(by.slice(0, 3)).length !== 1) throw new Error("the fill character must be exactly one character long");
  budget.text(missing * by.length);
  // CPython's own rule for an odd number: the larger half stands before the text only where the width is odd.
  const half = Math.floor(missing / 2) + (missing & (length + missing) & 1);
  const before = where === "left" ? 0 : where === "right" ? missing : half;
  return by.repeat(before) + text + by.repeat(missing - before);
}
