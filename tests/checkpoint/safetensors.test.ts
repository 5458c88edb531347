import { test } from "uvu";
import * as assert from "uvu/assert";
import fc from "fast-check";
import { FORMATS, type TensorType } from "../../src/checkpoint/formats.ts";
import { readSafetensors, unsupportedError } from "../../src/checkpoint/safetensors.ts";
import type { TensorEntry } from "./gguf-builder.ts";
import { assertPlainError, assertRefused } from "../llama/refused.ts";
import { HEAD_BYTES } from "../../src/util/file-kind.ts";
import { sourceOf } from "./memory-source.ts";
import { safetensorsFile } from "./safetensors-builder.ts";

const tensor = (name: string, type: TensorType, ...shape: number[]): TensorEntry => {
  const bytes = shape.reduce((a, b) => a * b, FORMATS[type].blockBytes);
  return { name, type, shape, bytes: Uint8Array.from({ length: bytes }, (_, i) => i) };
};
const TENSORS = [tensor("a", "F32", 3), tensor("model.b", "F16", 5, 2), tensor("c", "BF16", 4, 1)];
const FILE = safetensorsFile(TENSORS);
const HEADER_BYTES = FILE.length - TENSORS.reduce((sum, { bytes }) => sum + bytes.length, 0);

/** Reads the header; a reader that reads more than the file has fails. */
const open = (bytes: Uint8Array<ArrayBuffer>) => readSafetensors(sourceOf(bytes, bytes.length + HEAD_BYTES));

/**
 * "refused" where reading fails with a plain Error; "sound" where the tensors fill the file from header to end; "other"
 * where some are of types that don't run here.
 */
async function outcome(bytes: Uint8Array<ArrayBuffer>): Promise<"refused" | "sound" | "other"> {
  let tensors;
  try {
    const file = await open(bytes);
    if (file.unsupported.size > 0) return "other";
    tensors = [...file.tensors.values()];
  } catch (error) {
    assertPlainError(error);
    return "refused";
  }
  let end = 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true));
  for (const { name, type, shape, offset, bytes: length } of tensors.sort((a, b) => a.offset - b.offset)) {
    assert.is(offset, end, name);
    assert.is(length, shape.reduce((a, b) => a * b, 1) * FORMATS[type].blockBytes, name);
    end += length;
  }
  assert.is(end, bytes.length);
  return "sound";
}

test("tensors are where the file has them, shapes in ggml's order", async () => {
  const { tensors } = await open(FILE);
  assert.is(tensors.size, TENSORS.length);
  for (const { name, type, shape, bytes } of TENSORS) {
    const { offset, ...got } = tensors.get(name)!;
    assert.equal([got.type, got.shape, got.bytes], [type, shape, bytes.length]);
    assert.equal(await sourceOf(FILE, FILE.length).read(offset, got.bytes), bytes);
  }
});

test("cut at each byte, it is refused", async () => {
  for (let size = 0; size < FILE.length; size++) assert.is(await outcome(FILE.slice(0, size)), "refused", `${size}`);
});

test("each byte of the header, changed", async () => {
  const outcomes = { refused: 0, sound: 0, other: 0 };
  for (let at = 0; at < HEADER_BYTES; at++) {
    for (const byte of [FILE[at]! ^ 1, FILE[at]! ^ 128, 0, 48, 57, 93, 255]) {
      outcomes[await outcome(FILE.with(at, byte))]++;
    }
  }
  assert.ok(outcomes.refused > 500 && outcomes.sound > 50 && outcomes.other > 0, JSON.stringify(outcomes));
});

test("any JSON as a header", async () => {
  const count = fc.oneof(fc.nat(80), fc.constantFrom(-1, 0.5, 2 ** 53, 1e300));
  const entry = fc.record({
    dtype: fc.constantFrom("F32", "F16", "BF16", "I64", 1),
    shape: fc.oneof(fc.array(count, { maxLength: 3 }), fc.jsonValue()),
    data_offsets: fc.oneof(fc.tuple(count, count), fc.jsonValue()),
  }, { requiredKeys: [] });
  const header = fc.oneof(fc.dictionary(fc.string(), fc.oneof(entry, fc.jsonValue())), fc.jsonValue());
  await fc.assert(
    fc.asyncProperty(header, async (header) => {
      await outcome(safetensorsFile(TENSORS, JSON.stringify(header)));
    }),
    { numRuns: 1000 },
  );
});

test("tensors of other types are told apart, wherever they lie", async () => {
  const integers = { dtype: "I64", shape: [0, 3], data_offsets: [12, 12] };
  const { tensors, unsupported } = await open(safetensorsFile(
    [TENSORS[0]!, tensor("i", "F32", 5)],
    JSON.stringify({
      none: integers,
      i: { dtype: "F8_E4M3", shape: [4, 5], data_offsets: [12, 32] },
      a: { dtype: "F32", shape: [3], data_offsets: [0, 12] },
    }),
  ));
  assert.equal([...tensors.keys()], ["a"]);
  assert.equal([...unsupported], [["none", "I64"], ["i", "F8_E4M3"]]);
  assert.is(
    unsupportedError("x", "i", "F8_E4M3").message,
    'Cannot read model "x": tensor "i" is of type "F8_E4M3", supported are F32, F16, BF16; ' +
      "get the checkpoint in one of these, or a GGUF of it",
  );
});

test("a type that is no text is one that doesn't run here, not a fault", async () => {
  const header = JSON.stringify({ a: { dtype: { toString: 1 }, shape: [3], data_offsets: [0, 12] } });
  const { tensors, unsupported } = await open(safetensorsFile([{ ...TENSORS[0]!, bytes: new Uint8Array(12) }], header));
  assert.equal([tensors.size, [...unsupported]], [0, [["a", "an object"]]]);
});

test("each wrong header has its own error", async () => {
  const bytes = 12 + 20 + 8;
  const header = (change: Record<string, unknown>) =>
    safetensorsFile(
      TENSORS,
      JSON.stringify({
        a: { dtype: "F32", shape: [3], data_offsets: [0, 12] },
        b: { dtype: "F16", shape: [14], data_offsets: [12, bytes] },
        ...change,
      }),
    );
  assert.is(await outcome(header({})), "sound");
  const b = (change: Record<string, unknown>) =>
    header({ b: { dtype: "F16", shape: [14], data_offsets: [12, bytes], ...change } });
  const long = FILE.slice();
  new DataView(long.buffer).setBigUint64(0, 2n ** 25n + 1n, true);
  const most = FILE.slice();
  new DataView(most.buffer).setBigUint64(0, 2n ** 25n, true);
  const damaged = "; the file is damaged, download it again$";
  const cases: [Uint8Array<ArrayBuffer>, string][] = [
    [
      new Uint8Array(7),
      "it is cut short or damaged: its header's length ends at byte 8, the file has 7 bytes; download",
    ],
    [most, `: its header ends at byte 33554440, the file has ${FILE.length} bytes; download`],
    [long, `its header has 33554433 bytes, wanted 33554432 at most${damaged}`],
    [
      FILE.slice(0, -1),
      `cut short or damaged: tensor "c" ends at byte ${FILE.length}, the file has ${FILE.length - 1}`,
    ],
    [safetensorsFile(TENSORS, "{"), `its header is no JSON${damaged}`],
    [
      safetensorsFile(TENSORS, `{"a": ${"[".repeat(1e6)}`),
      `its JSON is nested 1000001 deep, wanted 100 at most${damaged}`,
    ],
    [safetensorsFile(TENSORS, "[]"), `its header is no JSON object${damaged}`],
    [header({ a: 1 }), `tensor "a" is no object${damaged}`],
    [b({ shape: [-1] }), `tensor "b" has no shape of whole numbers${damaged}`],
    [b({ shape: [0] }), `tensor "b" has shape \\[0\\], wanted no zero in it${damaged}`],
    [b({ data_offsets: [12] }), `tensor "b" has no two data_offsets of whole numbers${damaged}`],
    [b({ shape: [7] }), `tensor "b" has data_offsets \\[12, 40\\], wanted 14 bytes for F16 in shape \\[7\\]${damaged}`],
    [b({ data_offsets: [10, 38] }), `tensor "b" begins at 10, wanted 12, without a gap${damaged}`],
    [b({ data_offsets: [14, 42] }), `tensor "b" begins at 14, wanted 12, without a gap${damaged}`],
    [
      b({ shape: [13], data_offsets: [12, 38] }),
      `its last tensor ends at byte \\d+, the file has \\d+ bytes${damaged}`,
    ],
  ];
  for (const [file, message] of cases) await assertRefused(() => open(file), new RegExp(message));
});

test.run();
