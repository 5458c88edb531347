/** A pattern as a tree. Anchors, `\b` and backslash classes have become sets and looks at the text around. */
export type Regex =
  /** One character: the source of a class of JavaScript's, for the flag `v`. */
  | { readonly kind: "set"; readonly source: string }
  | { readonly kind: "all" | "any"; readonly parts: readonly Regex[] }
  | {
    readonly kind: "repeat";
    readonly part: Regex;
    readonly min: number;
    readonly max: number;
    readonly lazy: boolean;
  }
  /** Text that is matched once and never given back. */
  | { readonly kind: "atomic"; readonly part: Regex }
  | { readonly kind: "look"; readonly part: Regex; readonly behind: boolean; readonly negative: boolean };

/** One character of a class with these items, or one that is none of them. */
export const set = (items: string, negative = false): Regex => ({
  kind: "set",
  source: `[${negative ? "^" : ""}${items}]`,
});
/** A look at the text before or behind a place, which takes none of it. */
export const look = (part: Regex, behind: boolean, negative: boolean): Regex => ({
  kind: "look",
  part,
  behind,
  negative,
});
/** One after the other. */
export const all = (...parts: Regex[]): Regex => parts.length === 1 ? parts[0]! : { kind: "all", parts };
/** The first that fits. */
export const any = (...parts: Regex[]): Regex => parts.length === 1 ? parts[0]! : { kind: "any", parts };

/** The least and the most characters that a pattern matches. */
export function widthOf(regex: Regex): [min: number, max: number] {
  switch (regex.kind) {
    case "set":
      return [1, 1];
    case "look":
      return [0, 0];
    case "atomic":
      return widthOf(regex.part);
    case "repeat": {
      const [min, max] = widthOf(regex.part);
      return [min * regex.min, max === 0 ? 0 : max * regex.max];
    }
    default: {
      const widths = regex.parts.map(widthOf);
      const [mins, maxs] = [widths.map(([min]) => min), widths.map(([, max]) => max)];
      if (regex.kind === "any") return [Math.min(...mins), Math.max(...maxs)];
      return [mins.reduce((a, b) => a + b, 0), maxs.reduce((a, b) => a + b, 0)];
    }
  }
}
