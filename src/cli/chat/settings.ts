import { STRATEGIES } from "../../engine/generation-run.ts";

/** How answers are written; the names are those of the server's fields. */
export interface Settings {
  temperature: number;
  top_k?: number;
  top_p?: number;
  min_p?: number;
  seed?: number;
  max_tokens?: number;
  strategy?: string;
  stop?: string;
}

const number = (fits: (value: number) => boolean, wanted: string) => (text: string): number => {
  const value = Number(text);
  if (text === "" || !fits(value)) throw new Error(`"${text}" is none; ${wanted} is wanted`);
  return value;
};
const whole = (min: number) =>
  number((value) => Number.isInteger(value) && value >= min, `a whole number from ${min} on`);

/** How each setting is read. */
const PARSERS: { readonly [Name in keyof Required<Settings>]: (text: string) => Settings[Name] } = {
  temperature: number((value) => value >= 0 && value < Infinity, "a number of 0 or more"),
  top_k: whole(0),
  top_p: number((value) => value > 0 && value <= 1, "a number above 0, at most 1"),
  min_p: number((value) => value >= 0 && value < 1, "a number of 0 or more, below 1"),
  seed: whole(0),
  max_tokens: whole(1),
  strategy: (text) => {
    if (Object.hasOwn(STRATEGIES, text)) return text;
    throw new Error(`"${text}" is none; ${Object.keys(STRATEGIES).join(", ")} are there`);
  },
  stop: String,
};

/** The names of the settings. */
export const SETTING_NAMES = Object.keys(PARSERS) as readonly (keyof Settings)[];

/** Changes a setting; an empty text takes it back to its default. Throws an Error of one line where it can't be so. */
export function set(settings: Settings, name: string, text: string): void {
  if (!Object.hasOwn(PARSERS, name)) throw new Error(`"${name}" is no setting; ${SETTING_NAMES.join(", ")} are there`);
  const key = name as keyof Settings;
  if (text === "" && key === "temperature") settings.temperature = 0;
  else if (text === "") delete settings[key];
  else Object.assign(settings, { [key]: PARSERS[key](text) });
}
