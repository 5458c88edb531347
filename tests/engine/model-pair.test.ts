// Pairs whose models have other vocabularies: the text is the verify model's, and the drafts are as good as under the
// verify model's ids.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Engine, type GenerationOptions, type GenerationRecord, load } from "../../mod.ts";
import { TOKEN_TYPES } from "../../src/checkpoint/token-types.ts";
import { closeModelPair, openModelPair } from "../../src/engine/model-pair.ts";
import type { Operation } from "../../src/spec/trace/trace-events.ts";
import { ggufFile, type MetadataEntry, type RandomLlama, randomLlamaParts } from "../checkpoint/gguf-builder.ts";
import { randomOf } from "../../src/util/random.ts";
import "../untuned.ts";

const VOCABULARY = 320;
const SHAPE: RandomLlama = {
  layers: 1,
  hidden: 64,
  heads: 1,
  kvHeads: 1,
  headSize: 64,
  feedForward: 64,
  vocabulary: VOCABULARY,
  type: "Q4_0",
  tied: false,
  seed: 1,
  tokenizer: true,
};

const folder = await Deno.makeTempDir();

/** A token of a draft: one of the verify model's by its id, or another one. */
type Token = number | { readonly text: string; readonly type: number };

/** The model with these tokens in this order; tokens of its own have the weights of token 0. */
function write(name: string, tokens: readonly Token[], options: Partial<RandomLlama> = {}): string {
  const { metadata, tensors } = randomLlamaParts({ ...SHAPE, ...options });
  const valueOf = (key: string) =>
    metadata.find(([other]) => other === `tokenizer.ggml.${key}`)![2] as readonly (string | number)[];
  const reordered: Readonly<Record<string, MetadataEntry[2]>> = {
    tokens: tokens.map((token) => typeof token === "number" ? valueOf("tokens")[token]! : token.text),
    token_type: tokens.map((token) => typeof token === "number" ? valueOf("token_type")[token]! : token.type),
    bos_token_id: Math.max(0, tokens.indexOf(VOCABULARY - 1)),
    eos_token_id: Math.max(0, tokens.indexOf(VOCABULARY - 1)),
  };
  const path = `${folder}/${name}.gguf`;
  Deno.writeFileSync(
    path,
    ggufFile(
      metadata.map((
        [key, type, value],
      ): MetadataEntry => [key, type, reordered[key.replace("tokenizer.ggml.", "")] ?? value]),
      tensors.map((tensor) => {
        if (!/^(token_embd|output)\.weight$/.test(tensor.name)) return tensor;
        const rowBytes = tensor.bytes.length / VOCABULARY;
        const bytes = new Uint8Array(tokens.length * rowBytes);
        tokens.forEach((token, i) => {
          const at = (typeof token === "number" ? token : 0) * rowBytes;
          bytes.set(tensor.bytes.subarray(at, at + rowBytes), i * rowBytes);
        });
        return { ...tensor, shape: [tensor.shape[0]!, tokens.length], bytes };
      }),
    ),
  );
  return path;
}

const ALL = Array.from({ length: VOCABULARY }, (_, id) => id);
const random = randomOf(5);
const SHUFFLED = ALL.map((id) => [random(), id] as const).sort(([a], [b]) => a - b).map(([, id]) => id);
const OTHERS = Array.from({ length: 40 }, (_, i) => ({ text: `other${i}`, type: TOKEN_TYPES.NORMAL }));
/** Draft and verify model agree on a part of their tokens: they differ in the base of RoPE alone. */
const ROPE: readonly MetadataEntry[] = [["llama.rope.freq_base", "f32", 2000]];

const RUNS: readonly GenerationOptions[] = [
  { strategy: "sd", lookahead: 3 },
  { strategy: "amusd" },
  { strategy: "sd", lookahead: 3, temperature: 0.7, seed: 3 },
  { strategy: "amusd", temperature: 0.7, seed: 3 },
];

const recordOf = (engine: Engine, options: GenerationOptions): Promise<GenerationRecord> =>
  engine.generate("The ferry", { raw: true, maxTokens: 48, ...options }).record;

/** The runs of RUNS, each with greedy's tokens. */
async function runs(verify: string, draft: string, draftVocabulary?: number): Promise<GenerationRecord[]> {
  await using engine = await load({ verify, draft, draftVocabulary, context: 128 });
  const records: GenerationRecord[] = [];
  for (const options of RUNS) {
    const record = await recordOf(engine, options);
    const greedy = await recordOf(engine, { ...options, strategy: "greedy" });
    assert.equal(record.tokens, greedy.tokens, JSON.stringify(options));
    records.push(record);
  }
  return records;
}

/** All that the draft model chose. */
const draftedBy = ({ events }: GenerationRecord) =>
  events.filter((event): event is Operation => event.kind === "operation" && event.lane === "draft")
    .flatMap(({ chosen }) => chosen);

for (
  const [title, options] of Object.entries({
    "tied, in F32": { tied: true, type: "F32" } as const,
    "untied, in Q4_0": {},
  })
) {
  test(`a draft with its tokens in another order, and more of them, drafts the same (${title})`, async () => {
    const verify = write("verify", ALL, options);
    const same = write("same", ALL, { ...options, metadata: ROPE });
    const shuffled = write("shuffled", [...SHUFFLED.slice(0, 100), ...OTHERS, ...SHUFFLED.slice(100)], {
      ...options,
      metadata: ROPE,
    });
    const [wanted, got] = [await runs(verify, same), await runs(verify, shuffled)];
    // amusd's drafts depend on the time that things take.
    for (const i of [0, 2]) {
      assert.equal(draftedBy(got[i]!), draftedBy(wanted[i]!));
      assert.is(got[i]!.accepted, wanted[i]!.accepted);
      assert.ok(got[i]!.accepted > 0);
    }
  });
}

test("a draft that lacks tokens writes the same text and never proposes them", async () => {
  const verify = write("verify", ALL);
  const lacking = ALL.filter((id) => id % 3 === 1 && id < VOCABULARY - 1);
  const draft = write("subset", SHUFFLED.filter((id) => !lacking.includes(id)), { metadata: ROPE });
  for (const limit of [undefined, 200]) {
    const drafted = (await runs(verify, draft, limit)).flatMap(draftedBy);
    assert.ok(drafted.length > 0);
    assert.equal(drafted.filter((id) => lacking.includes(id) || id >= (limit ?? VOCABULARY)), []);
  }
});

test("tokens at one end that the other model lacks change no ids", async () => {
  const verify = write("verify", ALL);
  const special = { text: "<|im_end|>", type: TOKEN_TYPES.CONTROL };
  const longer = await openModelPair(verify, write("longer", [...ALL, special]));
  assert.is(longer.draft!.config.vocabulary, VOCABULARY);
  assert.is(longer.draft!.lacking.size, 0);
  const shorter = await openModelPair(write("longer", [...ALL, special]), verify);
  assert.is(shorter.draft!.config.vocabulary, VOCABULARY + 1);
  assert.equal([...shorter.draft!.lacking], [VOCABULARY]);
  const same = await openModelPair(verify, verify);
  assert.is(same.draft!.checkpoint.tensors.get("token_embd.weight")!.source.name, verify);
  for (const { verify, draft } of [longer, shorter, same]) {
    await Promise.all([verify.checkpoint.close(), draft!.checkpoint.close()]);
  }
});

test("a draft with few of the tokens is refused with their share, one without some is told of", async () => {
  const verify = write("verify", ALL);
  const few = write("few", ALL.slice(0, 40));
  const error: unknown = await openModelPair(verify, few).then(() => null, (error) => error);
  assert.is(
    (error as Error).message,
    `Cannot draft with "${few}": it has 12 % of the verify model's 319 tokens of text, wanted 50 % or more; ` +
      "use a draft model of the same family",
  );
  const lines: string[] = [];
  const pair = await openModelPair(verify, write("most", ALL.slice(0, 256)), (line) => lines.push(line));
  assert.equal(lines, [
    "The draft model has 80 % of the verify model's 319 tokens of text; it does not propose the others",
  ]);
  await Promise.all([pair.verify.checkpoint.close(), pair.draft!.checkpoint.close()]);
  lines.length = 0;
  const middle = write("most", ALL.slice(0, 256));
  const chain = await openModelPair(verify, verify, (line) => lines.push(line), middle);
  assert.match(lines.join(), /^The middle model has 80 % of the verify model's 319 tokens of text; it does not /);
  assert.is(chain.middle!.config.vocabulary, chain.verify.config.vocabulary);
  await closeModelPair(chain);
});

test.after(async () => await Deno.remove(folder, { recursive: true }));

test.run();
