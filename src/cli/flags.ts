import { numberParser } from "@stricli/core";

/** A flag for a text that need not be given. */
export const text = (brief: string, placeholder: string) =>
  ({ kind: "parsed", parse: String, brief, placeholder, optional: true }) as const;

/** Parses a whole number from `min` to `max`. */
export const count = (min: number, max = Infinity) => (input: string): number => {
  const value = numberParser(input);
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new RangeError(
      `a whole number ${max === Infinity ? `of ${min} or more` : `from ${min} to ${max}`} is wanted`,
    );
  }
  return value;
};

/** Parses a text of one character or more. */
export const notEmpty = (input: string): string => {
  if (input === "") throw new RangeError("it is empty, a text is wanted");
  return input;
};

export const columnFlag = text(
  "The dataset's column of prompts (a text, texts or messages); default: the first of turns, messages, " +
    "conversations, prompt, instruction, question, text and others that has one",
  "NAME",
);

/** Turns `--flag a b c` into `--flag a,b,c` for flags that take a list, since Stricli takes one argument a flag. */
export function joinLists(args: readonly string[], ...flags: readonly string[]): string[] {
  const joined: string[] = [];
  let inList = false;
  for (const arg of args) {
    if (inList && !arg.startsWith("-") && joined.at(-1)!.startsWith("-")) joined.push(arg);
    else if (inList && !arg.startsWith("-")) joined[joined.length - 1] += `,${arg}`;
    else {
      joined.push(arg);
      inList = flags.includes(arg);
    }
  }
  return joined;
}

/** Flags by the names that users of Hugging Face's programs, and of AMUSD's own, are used to type. */
const PEERS_NAMES: Readonly<Record<string, string>> = { "--max-new-tokens": "--max-tokens" };

/** The arguments with peers' names of flags replaced by ours. */
export function ownNames(args: readonly string[]): string[] {
  return args.map((arg) => arg.replace(/^--[\w-]+/, (name) => PEERS_NAMES[name] ?? name));
}
