import { quote } from "../util/text.ts";

/** How a family of byte-level vocabularies cuts text into pieces. Each piece is then merged by itself. */
export interface PreTokenizer {
  /** Each pattern in turn cuts the pieces that the ones before it left. The text between two matches is a piece too. */
  readonly patterns: readonly RegExp[];
  /** Whether a piece that is itself a token is taken whole, without merges. */
  readonly ignoreMerges: boolean;
  /** Whether a BOS token comes first where the model's file does not say. */
  readonly addBos: boolean;
}

// The published patterns have \s for Unicode's white space. JavaScript's \s is another set: it has U+FEFF and lacks
// U+0085.
const SPACES = [/\p{White_Space}+(?!\P{White_Space})/u, /\p{White_Space}+/u];
const GPT2 = firstOf(/'(?:[stmd]|re|ve|ll)/u, / ?\p{L}+/u, / ?\p{N}+/u, / ?[^\p{White_Space}\p{L}\p{N}]+/u, ...SPACES);
const LLAMA3 = firstOf(
  /'(?:[sStTmMdD]|[rR][eE]|[vV][eE]|[lL][lL])/u,
  /[^\r\n\p{L}\p{N}]?\p{L}+/u,
  /\p{N}{1,3}/u,
  / ?[^\p{White_Space}\p{L}\p{N}]+[\r\n]*/u,
  /\p{White_Space}*[\r\n]+/u,
  ...SPACES,
);
const ONE_DIGIT = /\p{N}/gu;
const DEFAULT = [/[\p{P}$+<=>^~|]+/gu, GPT2, /\p{N}+/gu, /[0-9]{3}/g];

/** The values of `tokenizer.ggml.pre` that cut alike, with patterns and flags as in llama.cpp's src/llama-vocab.cpp. */
const FAMILIES: readonly (PreTokenizer & { readonly names: readonly string[] })[] = [
  { names: ["default"], patterns: DEFAULT, ignoreMerges: false, addBos: false },
  {
    names: ["gpt-2", "phi-2", "mpt", "olmo", "gigachat", "mellum", "granite-docling"],
    patterns: [GPT2],
    ignoreMerges: false,
    addBos: false,
  },
  {
    names: ["smollm", "starcoder", "refact", "command-r", "codeshell", "exaone"],
    patterns: [ONE_DIGIT, GPT2],
    ignoreMerges: false,
    addBos: false,
  },
  {
    names: ["llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"],
    patterns: [LLAMA3],
    ignoreMerges: true,
    addBos: true,
  },
  { names: ["smaug-bpe", "dbrx"], patterns: [LLAMA3], ignoreMerges: false, addBos: false },
];

/**
 * The pre-tokenizer that `tokenizer.ggml.pre` names. Throws an Error, which lists the known names, for any other name.
 */
export function findPreTokenizer(name: string): PreTokenizer {
  const family = FAMILIES.find(({ names }) => names.includes(name));
  if (family === undefined) {
    const known = FAMILIES.flatMap(({ names }) => names).join(", ");
    throw new Error(`Cannot load the pre-tokenizer ${quote(name)}: it is unknown; use a model with one of ${known}`);
  }
  return family;
}

/** Cuts a text into pieces, which joined are the text again. */
export function splitPieces(text: string, patterns: readonly RegExp[]): string[] {
  return patterns.reduce<string[]>((pieces, pattern) => pieces.flatMap((piece) => splitAt(piece, pattern)), [text]);
}

function splitAt(text: string, pattern: RegExp): string[] {
  const pieces: string[] = [];
  let end = 0;
  for (const { 0: match, index } of text.matchAll(pattern)) {
    if (index > end) pieces.push(text.slice(end, index));
    pieces.push(match);
    end = index + match.length;
  }
  if (end < text.length) pieces.push(text.slice(end));
  return pieces;
}

/** One pattern that tries the given ones in their order at each place of a text. */
function firstOf(...patterns: readonly RegExp[]): RegExp {
  return new RegExp(patterns.map(({ source }) => source).join("|"), "gu");
}
