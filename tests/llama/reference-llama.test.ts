import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { openFile } from "../../src/platform/platform-file.ts";
import { openGguf } from "../../src/checkpoint/gguf.ts";
import {
  ggufFile,
  openBytes,
  type RandomLlama,
  randomLlamaParts,
  type TensorEntry,
} from "../checkpoint/gguf-builder.ts";
import { ReferenceLlama } from "./reference-llama.ts";

const root = new URL("../../", import.meta.url);

/** Some steps after the prompt, each fed the oracle's own tokens. A margin is the gap between the two best logits. */
for (
  const [file, golden, name, steps] of [
    ["smollm2-135m-instruct-q4_1", "verify", "one token", 8],
    ["smollm2-draft-42m-q8_0", "draft", "unicode", 8],
  ] as const
) {
  test(`${file} says what the oracle says: "${name}"`, async () => {
    const cases = JSON.parse(await Deno.readTextFile(new URL(`tests/goldens/${golden}.json`, root)));
    const { promptTokens, tokens, margins, firstTop10 } = cases.find((one: { name: string }) => one.name === name);
    const checkpoint = await openGguf(await openFile(fileURLToPath(new URL(`models/${file}.gguf`, root))));
    const model = await ReferenceLlama.load(checkpoint);
    await checkpoint.close();
    const logits = model.logits([...promptTokens, ...tokens.slice(0, steps - 1)], promptTokens.length - 1);
    assert.is(logits.length, steps);
    for (const [id, logit] of firstTop10) {
      assert.ok(Math.abs(logits[0]![id]! - logit) < 2e-4, `token ${id}: got ${logits[0]![id]}, wanted ${logit}`);
    }
    logits.forEach((row, step) => {
      const best = Math.max(...row);
      const margin = best - Math.max(...row.filter((logit) => logit < best));
      assert.is(row.indexOf(best), tokens[step], `step ${step}`);
      assert.ok(Math.abs(margin - margins[step]) < 4e-4, `step ${step}: got ${margin}, wanted ${margins[step]}`);
    });
  });
}

// The properties that the embedded pair does not have are tested by what must not change with them, or must.

const SMALL: RandomLlama = {
  layers: 2,
  hidden: 64,
  heads: 4,
  kvHeads: 2,
  headSize: 64,
  feedForward: 96,
  vocabulary: 50,
  type: "F32",
  tied: false,
  seed: 3,
};
const TOKENS = [7, 3, 11, 3, 42, 0];

/** The logits after TOKENS. */
async function lastLogits(
  options: RandomLlama,
  change: (tensors: TensorEntry[]) => TensorEntry[] = (tensors) => tensors,
  tokens = TOKENS,
): Promise<Float64Array> {
  const { metadata, tensors } = randomLlamaParts(options);
  const model = await ReferenceLlama.load(await openBytes(ggufFile(metadata, change(tensors))));
  return model.logits(tokens, tokens.length - 1)[0]!;
}
const spread = (a: Float64Array, b: Float64Array) => Math.max(...a.map((value, i) => Math.abs(value - b[i]!)));
const vector = (name: string, values: number[]): TensorEntry => ({
  name,
  shape: [values.length],
  type: "F32",
  bytes: new Uint8Array(new Float32Array(values).buffer),
});
const factors = (factor: number) => (tensors: TensorEntry[]) => [
  ...tensors,
  vector("rope_freqs.weight", Array(32).fill(factor)),
];

test("RoPE's factors divide the angles, as linear scaling does", async () => {
  const plain = await lastLogits(SMALL);
  assert.equal(await lastLogits(SMALL, factors(1)), plain);
  const halved = await lastLogits(SMALL, factors(2));
  assert.ok(spread(halved, plain) > 1e-3);
  const scaled = await lastLogits({ ...SMALL, metadata: [["llama.rope.scaling.factor", "f32", 2]] });
  assert.ok(spread(halved, scaled) < 1e-12);
  assert.ok(spread(await lastLogits({ ...SMALL, ropeFactors: true }), plain) > 1e-3);
  // With no rotation left, the order of the tokens before the last no longer counts in the first layer.
  const one = { ...SMALL, layers: 1 };
  const turned = [...TOKENS.slice(0, -1).reverse(), TOKENS.at(-1)!];
  assert.ok(spread(await lastLogits(one, factors(1e30)), await lastLogits(one, factors(1e30), turned)) < 1e-12);
  assert.ok(spread(await lastLogits(one), await lastLogits(one, (tensors) => tensors, turned)) > 1e-3);
});

test("a copy of the embedding as output is the same as a tied one", async () => {
  const tied = await lastLogits({ ...SMALL, tied: true });
  const copied = await lastLogits({ ...SMALL, tied: true }, (tensors) => [
    ...tensors,
    { ...tensors.find(({ name }) => name === "token_embd.weight")!, name: "output.weight" },
  ]);
  assert.equal(copied, tied);
  assert.ok(spread(await lastLogits(SMALL), tied) > 1e-3);
});

test("grouped KV heads are the same as repeated ones", async () => {
  for (const headSize of [64, 128]) {
    const options = { ...SMALL, headSize };
    const grouped = await lastLogits(options);
    const headBytes = headSize * SMALL.hidden * 4;
    const repeated = await lastLogits({
      ...options,
      metadata: [["llama.attention.head_count_kv", "u32", 4]],
    }, (tensors) =>
      tensors.map((tensor) => {
        if (!/attn_[kv].weight$/.test(tensor.name)) return tensor;
        const [first, second] = [tensor.bytes.slice(0, headBytes), tensor.bytes.slice(headBytes)];
        const bytes = new Uint8Array([...first, ...first, ...second, ...second]);
        return { ...tensor, shape: [SMALL.hidden, 4 * headSize], bytes };
      }));
    assert.equal(repeated, grouped);
  }
});

test("a position's logits know nothing of later tokens", async () => {
  const { metadata, tensors } = randomLlamaParts({ ...SMALL, type: "Q8_0" });
  const model = await ReferenceLlama.load(await openBytes(ggufFile(metadata, tensors)));
  const all = model.logits(TOKENS);
  assert.is(all.length, TOKENS.length);
  TOKENS.forEach((_, i) => assert.equal(model.logits(TOKENS.slice(0, i + 1), i)[0], all[i]));
});

test.run();
