import { numberParser } from "@stricli/core";

export const text = (brief: string, placeholder: string) =>
  ({ kind: "parsed", parse: String, brief, placeholder, optional: true }) as const;
export const count = (min: number, max = Infinity) => (input: string): number => {
  const value = numberParser(input);
  if (!Number.isInteger(value) || value < min || value > max) {
    throw new RangeError(
      `a whole number ${max === Infinity ? `of ${min} or more` : `from ${min} to ${max}`} is wanted`,
    );
  }
  return value;
};
export const notEmpty = (input: string): string => {
  if (input === "") throw new RangeError("it is empty, a text is wanted");
  return input;
};
