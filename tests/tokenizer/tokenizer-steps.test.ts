// Ids by Hugging Face's tokenizers for awkward texts: tokenizers of published models, and each step that there is.
//
// tests/goldens/tokenizer-steps.py has made them. With more texts, in a file that it writes when asked to:
//   TOKENIZER_STEPS=FILE deno task test tokenizer-steps

import { test } from "uvu";
import * as assert from "uvu/assert";
import { JsonFile, type JsonObject } from "../../src/checkpoint/json-file.ts";
import { tokenizerMetadata } from "../../src/checkpoint/tokenizer-json.ts";
import { loadTokenizer, type Tokenizer } from "../../src/tokenizer/tokenizer.ts";
import { metadataOf } from "./vocabularies.ts";

interface Golden {
  readonly lists: Readonly<Record<string, readonly string[]>>;
  readonly bases: Readonly<Record<string, { readonly vocab: string[]; readonly merges: [string, string][] }>>;
  readonly cases: Readonly<Record<string, Case>>;
}
interface Case {
  readonly base: string;
  readonly texts: string;
  /** The value of `tokenizer.ggml.pre` that stands for the steps. */
  readonly pre?: string;
  readonly file: { readonly added_tokens: { id: number; content: string }[]; readonly model: JsonObject } & JsonObject;
  /** 16 bits for the ids of each text, in hexadecimal digits; "----" for a text at which tokenizers panic. */
  readonly hashes: string;
}

const path = Deno.env.get("TOKENIZER_STEPS") ?? new URL("../goldens/tokenizer-steps.json", import.meta.url);
const { lists, bases, cases } = JSON.parse(await Deno.readTextFile(path)) as Golden;

/** FNV-1a over the ids' decimal digits and commas, folded to 16 bits. */
function hashOf(ids: readonly number[]): string {
  let value = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(ids.join(","))) value = Math.imul(value ^ byte, 0x01000193) >>> 0;
  return ((value >>> 16 ^ value) & 0xffff).toString(16).padStart(4, "0");
}

function fromJson({ base, file }: Case): Tokenizer {
  const { vocab, merges } = bases[base]!;
  const values = {
    ...file,
    model: { ...file.model, merges, vocab: Object.fromEntries(vocab.map((token, id) => [token, id])) },
  };
  const vocabulary = Math.max(vocab.length, ...file.added_tokens.map(({ id }) => id + 1));
  return loadTokenizer(
    tokenizerMetadata(new JsonFile("tokenizer.json", values), {
      config: undefined,
      bosId: undefined,
      eosIds: [],
      vocabulary,
    }),
  );
}

function fromGguf({ base, pre }: Case): Tokenizer {
  const { vocab, merges } = bases[base]!;
  return loadTokenizer(metadataOf({ model: "gpt2", pre, tokens: vocab, merges: merges.map((pair) => pair.join(" ")) }));
}

function assertAlike(tokenizer: Tokenizer, { texts, hashes }: Case): void {
  const list = lists[texts]!;
  assert.is(hashes.length, 4 * list.length);
  const other = list.filter((text, i) => {
    const hash = hashes.slice(4 * i, 4 * i + 4);
    return hash !== "----" && hashOf(tokenizer.encode(text, { special: true, addBos: false })) !== hash;
  });
  const shortest = other.toSorted((a, b) => a.length - b.length).slice(0, 3).map((text) => JSON.stringify(text));
  assert.is(other.length, 0, `${other.length} of ${list.length} texts have other ids: ${shortest.join(", ")}`);
}

for (const [name, one] of Object.entries(cases)) {
  test(`tokenizer.json: ${name}`, () => assertAlike(fromJson(one), one));
  if (one.pre) test(`GGUF: ${name}`, () => assertAlike(fromGguf(one), one));
}

test.run();
