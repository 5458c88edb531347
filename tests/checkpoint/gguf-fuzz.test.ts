import { test } from "uvu";
import * as assert from "uvu/assert";
import fc from "fast-check";
import { llamaConfig } from "../../src/checkpoint/config.ts";
import { FORMATS, type TensorType } from "../../src/checkpoint/formats.ts";
import { openGguf } from "../../src/checkpoint/gguf.ts";
import { randomLlama } from "./gguf-builder.ts";
import { assertPlainError } from "../llama/refused.ts";
import { sourceOf } from "./memory-source.ts";

const BLOCKS_OF_32: readonly TensorType[] = ["Q4_1", "Q5_0", "Q5_1", "IQ4_NL", "MXFP4"];
const FILE = randomLlama({
  layers: 1,
  hidden: 32,
  heads: 1,
  kvHeads: 1,
  headSize: 64,
  feedForward: 32,
  vocabulary: 260,
  type: (name) => BLOCKS_OF_32[name.length % BLOCKS_OF_32.length]!,
  tied: true,
  ropeFactors: true,
  tokenizer: true,
  seed: 1,
});
/** Opens the bytes; a reader that reads them again and again fails. */
const open = (bytes: Uint8Array<ArrayBuffer>) => openGguf(sourceOf(bytes, 4 * bytes.length + 64));
const clean = await open(FILE);
const HEADER_BYTES = Math.min(...[...clean.tensors.values()].map(({ offset }) => offset));

/** "refused" where opening fails with a plain Error; "sound" where all that the model declares holds for the file. */
async function outcome(bytes: Uint8Array<ArrayBuffer>): Promise<"refused" | "sound"> {
  let checkpoint, config;
  try {
    checkpoint = await open(bytes);
    config = await llamaConfig(checkpoint);
  } catch (error) {
    assertPlainError(error);
    return "refused";
  }
  for (const { name, type, shape, offset, bytes: length } of checkpoint.tensors.values()) {
    const elements = shape.reduce((a, b) => a * b);
    const { blockElements, blockBytes } = FORMATS[type];
    assert.is(length, elements / blockElements * blockBytes, name);
    assert.ok(Number.isInteger(offset) && offset >= 0 && offset + length <= bytes.length, name);
  }
  // A metadata value takes no more elements than it has bytes in the file.
  for (const [key, value] of checkpoint.metadata) {
    if (typeof value === "object") assert.ok(value.length < bytes.length, key);
  }
  const { layers, hidden, heads, kvHeads, headSize, feedForward, vocabulary, contextLength, rope } = config;
  for (const count of [layers, hidden, heads, kvHeads, headSize, feedForward, vocabulary, contextLength]) {
    assert.ok(Number.isInteger(count) && count > 0);
  }
  assert.equal(checkpoint.tensors.get(`blk.${layers - 1}.attn_k.weight`)!.shape, [hidden, kvHeads * headSize]);
  for (const value of [...rope.frequencies, rope.magnitude, config.rmsEpsilon]) {
    assert.ok(value > 0 && value < Infinity);
  }
  return "sound";
}

test("the file itself is sound", async () => {
  assert.is(await outcome(FILE), "sound");
  assert.ok(HEADER_BYTES > 5000 && FILE.length < 40_000, `${HEADER_BYTES} of ${FILE.length} bytes`);
});

test("cut at each byte of the header and at some of the data, it is refused", async () => {
  for (let size = 0; size < FILE.length; size += size <= HEADER_BYTES ? 1 : 53) {
    assert.is(await outcome(FILE.slice(0, size)), "refused", `cut at ${size}`);
  }
});

test("each byte of the header outside the tokenizer, changed", async () => {
  const text = new TextDecoder("latin1").decode(FILE);
  const skipFrom = text.indexOf("tokenizer.ggml.tokens") + 60;
  const skipTo = text.indexOf("tokenizer.ggml.bos_token_id");
  const outcomes = { refused: 0, sound: 0 };
  for (let at = 0; at < HEADER_BYTES; at++) {
    if (at > skipFrom && at < skipTo) continue;
    for (const byte of [FILE[at]! ^ 1, FILE[at]! ^ 128, 0, 255]) {
      const bytes = FILE.slice();
      bytes[at] = byte;
      outcomes[await outcome(bytes)]++;
    }
  }
  assert.ok(outcomes.refused > 1000 && outcomes.sound > 1000, JSON.stringify(outcomes));
});

/** Small numbers, and the largest or the first too large for 8, 16, 31, 32, 53 and 64 bits. */
const wild = fc.constantFrom(
  0n,
  1n,
  255n,
  65_536n,
  2n ** 31n,
  2n ** 32n,
  2n ** 40n,
  2n ** 53n,
  2n ** 63n,
  2n ** 64n - 1n,
);
const mutation = fc.oneof(
  fc.record({ at: fc.nat(HEADER_BYTES), bytes: fc.uint8Array({ minLength: 1, maxLength: 4 }) }),
  fc.record({ at: fc.nat(FILE.length - 8), bytes: fc.uint8Array({ minLength: 1, maxLength: 8 }) }),
  fc.record({
    at: fc.nat(HEADER_BYTES),
    bytes: wild.map((value) => new Uint8Array(new BigUint64Array([value]).buffer)),
  }),
);

test("several changes at once, with wild numbers, and a cut", () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(mutation, { minLength: 1, maxLength: 4 }),
      fc.option(fc.nat(FILE.length)),
      async (mutations, cut) => {
        const bytes = FILE.slice();
        for (const { at, bytes: changed } of mutations) bytes.set(changed.subarray(0, bytes.length - at), at);
        await outcome(cut === null ? bytes : bytes.slice(0, cut));
      },
    ),
    { numRuns: 4000 },
  ));

test.run();
