import { quote } from "../util/text.ts";

/** A step of a tokenizer as a tokenizer.json writes it. */
export type JsonStep = Readonly<Record<string, unknown>>;

/** How a family of byte-level vocabularies cuts text into pieces. Each piece is then merged by itself. */
export interface Family {
  /** The values of `tokenizer.ggml.pre`. */
  readonly names: readonly string[];
  readonly steps: readonly JsonStep[];
  /** Whether a piece that is itself a token is taken whole, without merges. */
  readonly ignoreMerges: boolean;
  /** Whether a BOS token comes first where the model's file does not say. */
  readonly addBos: boolean;
}

/** The cut that GPT-2 made, which the step ByteLevel makes unless told otherwise. */
export const GPT2 = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`;

// Patterns as the models' tokenizer.json have them, letter for letter.
const CASED_ENDINGS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const SPACES = String.raw`\s*[\r\n]+|\s+(?!\S)|\s+`;
const MARKS = String.raw` ?[^\s\p{L}\p{N}]+[\r\n]*`;
const LLAMA3 = String.raw`${CASED_ENDINGS}|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|${MARKS}|${SPACES}`;
const QWEN2 = LLAMA3.replace("{1,3}", "");
const QWEN35 = String
  .raw`${CASED_ENDINGS}|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|${SPACES}`;
const SEED_CODER = String
  .raw`${CASED_ENDINGS}|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|${SPACES}`;
const UPPER = String.raw`[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`;
const LOWER = String.raw`[\p{Ll}\p{Lm}\p{Lo}\p{M}]`;
const MARKS_OR_SLASH = String.raw` ?[^\s\p{L}\p{N}]+[\r\n/]*`;
const casedWords = (ending: string) =>
  String.raw`[^\r\n\p{L}\p{N}]?${UPPER}*${LOWER}+${ending}|[^\r\n\p{L}\p{N}]?${UPPER}+${LOWER}*${ending}`;
const TEKKEN = String.raw`${casedWords("")}|\p{N}|${MARKS_OR_SLASH}|${SPACES}`;
const GPT4O = String.raw`${casedWords(CASED_ENDINGS + "?")}|\p{N}{1,3}|${MARKS_OR_SLASH}|${SPACES}`;
const DEEPSEEK_V3 = String.raw`[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_${"`"}{|}~][A-Za-z]+|` +
  String.raw`[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|${SPACES}`;
const BAILING =
  String.raw`'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|` +
  String.raw`\s+(?!\S)|\s+`;
const CL100K = String.raw`'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|` +
  String.raw`\s*[\r\n]|\s+(?!\S)|\s+`;
const MINICPM5 = LLAMA3.replace("{1,3}", "+");
const UFAKZEKA = QWEN2.replace(CASED_ENDINGS + "|", "");
const JAIS2 = LLAMA3.replace(
  String.raw`\s+(?!\S)|\s+`,
  [512, 256, 128, 64, 32, 16, 8, 4, "1,2"].map((count) => String.raw`\s{${count}}(?!\S)|`).join("") + String.raw`\s{1}`,
);
const BLOOM = String.raw` ?[^(\s|.,!?…。，、।۔،)]+`;
const CHINESE = "[一-龥ࠀ-一가-퟿]+";
const CHINESE_JAPANESE = "[一-龥぀-ゟ゠-ヿ]+";
const DEEPSEEK_LETTERS = String.raw`\s?[` +
  "A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅ" +
  "ὐ-ὗὙὛὝὟ-\u1f7dᾀ-ᾴᾶ-ᾼ\u1fbeῂ-ῄῆ-ῌῐ-\u1fd3ῖ-\u1fdbῠ-Ῥῲ-ῴῶ-ῼ" +
  "ℂℇℊ-ℓℕℙ-ℝℤ\u2126ℨ\u212a-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎ" +
  "ꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃" +
  "]+";
const DEEPSEEK_MARKS = String.raw`\s?[!-/:-~！-／：-～‘-‟　-。]+`;

const split = (pattern: string): JsonStep => (
  { type: "Split", pattern: { Regex: pattern }, behavior: "Isolated", invert: false }
);
const splits = (...patterns: string[]) => patterns.map(split);
const DIGITS: JsonStep = { type: "Digits", individual_digits: true };

const family = (names: string, steps: readonly JsonStep[], { ignoreMerges = false, addBos = false } = {}): Family => (
  { names: names.split(" "), steps, ignoreMerges, addBos }
);
const AS_LLAMA3 = { ignoreMerges: true, addBos: true };

/**
 * The values of `tokenizer.ggml.pre` that cut alike, with names and flags as in llama.cpp's src/llama-vocab.cpp. Where
 * llama.cpp's pattern only comes near to the model's own one, this is the model's.
 */
const FAMILIES: readonly Family[] = [
  family("default", splits(String.raw`[\p{P}\$\+<=>\^~\|]+`, GPT2, String.raw`\p{N}+`, "[0-9][0-9][0-9]")),
  family(
    "gpt-2 phi-2 mpt olmo jais trillion gigachat mellum a.x-4.0 exaone4 modern-bert granite-docling",
    [split(GPT2)],
  ),
  family("smollm starcoder refact command-r codeshell exaone minerva-7b mellum2", [DIGITS, split(GPT2)]),
  family("llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2", [split(LLAMA3)], AS_LLAMA3),
  family("smaug-bpe dbrx glm4 chatglm-bpe", [split(LLAMA3)]),
  family("qwen2 deepseek-r1-qwen stablelm2 hunyuan solar-open megrez kormo f2llmv2 grok-2", [split(QWEN2)]),
  family("qwen35", [split(QWEN35)]),
  family("tekken", [split(TEKKEN)], AS_LLAMA3),
  family("gpt-4o llama4 kanana2 talkie minimax-m2", [split(GPT4O)]),
  family("deepseek-llm", [
    ...splits(String.raw`[\r\n]`, DEEPSEEK_LETTERS, DEEPSEEK_MARKS, String.raw`\s+$`, CHINESE, String.raw`\p{N}+`),
  ]),
  family("deepseek-coder", [
    ...splits(String.raw`[\r\n]`, String.raw`\s?\p{L}+`, String.raw`\s?\p{P}+`, CHINESE),
    DIGITS,
  ]),
  family("deepseek-v3 hunyuan-dense joyai-llm hy_v4", splits(String.raw`\p{N}{1,3}`, CHINESE_JAPANESE, DEEPSEEK_V3)),
  family("seed-coder", [split(SEED_CODER)]),
  // Falcon cuts the bytes' letters at digits, which some of them are.
  family("falcon", [
    { type: "Punctuation", behavior: "Contiguous" },
    { type: "ByteLevel", add_prefix_space: false, use_regex: true },
    { type: "Digits", individual_digits: false },
    split("[0-9][0-9][0-9]"),
  ]),
  family("bailingmoe bailingmoe2 llada-moe", [split(BAILING)]),
  family("minicpm5", splits(String.raw`\p{N}{1,3}`, MINICPM5), { ignoreMerges: true }),
  family("ufakzeka", [split(UFAKZEKA)]),
  family("laguna", splits(String.raw`[^\n]+|[\n]+`, QWEN2)),
  family("jais-2", [split(JAIS2)]),
  family("poro-chat bloom gpt3-finnish", [split(BLOOM)]),
  family("viking", [split(BLOOM), DIGITS]),
];

/**
 * The family that `tokenizer.ggml.pre` names. Throws an Error, which lists the known names, for any other name.
 */
export function findFamily(name: string): Family {
  const family = FAMILIES.find(({ names }) => names.includes(name));
  if (family === undefined) {
    const known = FAMILIES.flatMap(({ names }) => names).join(", ");
    throw new Error(`Cannot load the pre-tokenizer ${quote(name)}: it is unknown; use a model with one of ${known}`);
  }
  return family;
}

/**
 * Patterns that JavaScript's engine may search for, since they are known to take a time that grows with the text: those
 * of the families, and others that published models have.
 */
const PUBLISHED: ReadonlySet<string> = new Set([
  ...FAMILIES.flatMap(({ steps }) => steps.flatMap(({ pattern }) => Object.values(pattern ?? {}).map(String))),
  CL100K,
  ...[" ", "\\s", "\\s+", "\\d", "\\p{N}", "\\n", "\\n+", "[0-9]", "[\\r\\n]+", "\\p{N}{1}", "\\p{N}+"],
]);

/**
 * The pattern that JavaScript's engine may search for in the place of this one; `undefined` for one of a stranger,
 * which may be such that a search never ends.
 */
export function publishedPattern(pattern: string): string | undefined {
  // Some files have the line ends themselves where others have escapes for them.
  const escaped = pattern.replaceAll("\r", "\\r").replaceAll("\n", "\\n");
  if (!PUBLISHED.has(escaped)) return undefined;
  // A match begins where the white space does, and is not looked for at each of its places.
  return escaped === "\\s+$" ? "(?<!\\s)\\s+$" : escaped;
}
