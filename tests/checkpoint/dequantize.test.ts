import { test } from "uvu";
import * as assert from "uvu/assert";
import { dequantize, halfToFloat } from "../../src/checkpoint/dequantize.ts";
import { FORMATS, type TensorType } from "../../src/checkpoint/formats.ts";
import { randomOf } from "../../src/util/random.ts";
import { quantize } from "../llama/quantize.ts";

const TYPES = Object.keys(FORMATS) as TensorType[];
const golden = JSON.parse(await Deno.readTextFile(new URL("../goldens/dequantize.json", import.meta.url)));
const bitsOf = (values: Float32Array) => new Uint32Array(values.buffer, values.byteOffset, values.length);

test("halfToFloat() is right for all 65 536 halves", () => {
  const view = new DataView(new ArrayBuffer(2));
  for (let half = 0; half < 65536; half++) {
    view.setUint16(0, half);
    assert.ok(Object.is(halfToFloat(half), view.getFloat16(0)), `half 0x${half.toString(16)}`);
  }
});

for (const type of TYPES) {
  test(`${type}: random blocks have the bits that the gguf package gives them`, () => {
    // The bytes are shifted by one, as tensors with blocks of 18 or 210 bytes may begin at any byte.
    const bytes = Uint8Array.from(atob(golden.cases[type].bytes), (letter) => letter.charCodeAt(0));
    const shifted = new Uint8Array(bytes.length + 1);
    shifted.set(bytes, 1);
    const wanted = Uint8Array.from(atob(golden.cases[type].float32), (letter) => letter.charCodeAt(0));
    const got = dequantize(type, shifted.subarray(1), wanted.length / 4);
    assert.equal([...bitsOf(got)], [...new Uint32Array(wanted.buffer)]);
  });
}

/** A block of zeros in which these bytes are set, by their places. */
const block = (type: TensorType, bytes: Record<number, number>) =>
  Object.entries(bytes).reduce((out, [at, byte]) => {
    out[Number(at)] = byte;
    return out;
  }, new Uint8Array(FORMATS[type].blockBytes));

/**
 * The head of a block of a K format, with d = 1 and dmin = 0.5. Sub-block 1 has the scale 7 and the minimum 9,
 * sub-block 5 has the scale 51 = 0b110011 and the minimum 42 = 0b101010.
 */
const K_HEAD = { 1: 0x3c, 3: 0x38, [4 + 1]: 0xc0 | 7, [4 + 5]: 0x80 | 9, [4 + 9]: 0xa3 };

// Each block's values were worked out by hand from the format's description.
for (
  const [type, bytes, wanted] of [
    ["F32", { 2: 0x20, 3: 0xc1 }, { 0: -10 }],
    ["F16", { 1: 0xbe }, { 0: -1.5 }],
    ["BF16", { 0: 0x20, 1: 0xc1 }, { 0: -10 }],
    ["Q4_0", { 1: 0x40, 2: 0x0f, 17: 0x1f }, { 0: 14, 16: -16, 15: 14, 31: -14, 1: -16 }],
    ["Q4_1", { 1: 0x40, 3: 0xc2, 4: 0x0f, 19: 0x1f }, { 0: 27, 16: -3, 15: 27, 31: -1, 1: -3 }],
    ["Q5_0", { 1: 0x40, 2: 0x01, 5: 0x80, 6: 0x0f, 21: 0x1f }, { 0: 30, 16: -32, 15: -2, 31: 2, 1: -32 }],
    ["Q5_1", { 1: 0x40, 3: 0xc2, 4: 0x01, 7: 0x80, 8: 0x0f, 23: 0x1f }, { 0: 59, 16: -3, 15: 27, 31: 31, 1: -3 }],
    ["Q8_0", { 1: 0x38, 2: 0x80, 33: 0x7f }, { 0: -64, 31: 63.5, 1: 0 }],
    ["Q2_K", { 0: 0x27, 12: 0x4f, 16: 0x02, 56: 0x30, 81: 0x3c, 83: 0x38 }, { 0: 13, 1: -1, 200: 43, 201: -2, 16: 0 }],
    ["Q3_K", { 8: 0x40, 72: 0x30, 100: 0x50, 104: 0x80, 109: 0x40 }, { 0: 256, 200: 30, 201: -40 }],
    ["Q4_K", { ...K_HEAD, 16: 0x20, [16 + 64 + 3]: 0xf0 }, { 0: 0, 32: 9.5, 33: -4.5, 160: -21, 163: 744 }],
    ["Q5_K", { ...K_HEAD, 16: 0x02, 19: 0x20, 48: 0x20, [48 + 64 + 3]: 0xf0 }, {
      0: 0,
      32: 121.5,
      33: -4.5,
      163: 1560,
    }],
    ["Q6_K", { 72: 0x90, 168: 0x20, 192: 0x80, 204: 0xf9, 209: 0x40 }, { 0: 8192, 200: -126, 201: 448, 16: 0 }],
    ["IQ4_NL", { 1: 0x40, 2: 0x0f, 17: 0x81 }, { 0: 226, 16: -254, 15: -208, 31: 2, 1: -254 }],
    ["IQ4_XS", { 1: 0x3c, 3: 0x0c, 6: 0x30, 88: 0x8f }, { 0: 4064, 160: 2147, 176: 19, 161: -2413 }],
    ["MXFP4", { 0: 129, 1: 0x0f, 16: 0x71 }, { 0: -24, 16: 0, 15: 2, 31: 24, 1: 0 }],
  ] as const
) {
  test(`${type}: a block written by hand`, () => {
    const values = dequantize(type, block(type, bytes), FORMATS[type].blockElements);
    for (const [index, value] of Object.entries(wanted)) {
      assert.is(values[Number(index)]! + 0, value, `element ${index}`);
    }
  });
}

/**
 * Half a step of the widest values, or a whole one where the step's sign is that of the largest. Formats with whole
 * numbers for scales and minimums add half a step of those.
 */
const TOLERANCES: Readonly<Record<TensorType, number>> = {
  F32: 0,
  F16: 2e-3,
  BF16: 2e-2,
  Q4_0: 0.6,
  Q4_1: 0.3,
  Q5_0: 0.3,
  Q5_1: 0.15,
  Q8_0: 2e-2,
  Q2_K: 1.8,
  Q3_K: 1.4,
  Q4_K: 0.4,
  Q5_K: 0.25,
  Q6_K: 0.16,
  IQ4_NL: 0.6,
  IQ4_XS: 0.7,
  MXFP4: 1,
};

/** Where a block's 16-bit floats lie (of MXFP4: its scale), if not in the first two bytes. */
const SCALE_BYTES: Readonly<Partial<Record<TensorType, readonly [from: number, to: number]>>> = {
  Q4_1: [0, 4],
  Q5_1: [0, 4],
  Q2_K: [80, 84],
  Q3_K: [108, 110],
  Q4_K: [0, 4],
  Q5_K: [0, 4],
  Q6_K: [208, 210],
  MXFP4: [0, 1],
};

for (const type of TYPES) {
  test(`${type}: the tests' quantize() comes near to the values and uses every field`, () => {
    const uniform = randomOf(1);
    const spread = (i: number) => 1 + ((i >> 5) + (i >> 8)) % 8;
    const values = Float32Array.from({ length: 1 << 14 }, (_, i) => (uniform() - 0.4) * spread(i));
    const bytes = quantize(type, values);
    const got = dequantize(type, bytes, values.length);
    const { blockElements, blockBytes } = FORMATS[type];
    const tolerance = TOLERANCES[type];
    values.forEach((value, i) => {
      assert.ok(Math.abs(got[i]! - value) <= tolerance, `element ${i}: got ${got[i]}, wanted ${value} +- ${tolerance}`);
    });
    // Every bit of a block, except those of 16-bit floats, is 0 in one of the blocks and 1 in another.
    if (blockElements === 1) return;
    let [ones, zeros] = [new Uint8Array(blockBytes), new Uint8Array(blockBytes)];
    for (let at = 0; at < bytes.length; at += blockBytes) {
      ones = ones.map((byte, i) => byte | bytes[at + i]!);
      zeros = zeros.map((byte, i) => byte | ~bytes[at + i]!);
    }
    const [from, to] = SCALE_BYTES[type] ?? [0, 2];
    ones.forEach((byte, i) =>
      assert.ok(i >= from && i < to || (byte & zeros[i]!) === 255, `byte ${i} has a bit that never changes`)
    );
    assert.ok(got.some((value) => value < 0) && got.some((value) => value > 0));
  });
}

test("dequantize() wants whole blocks", () => {
  const bytes = new Uint8Array(36);
  assert.is(dequantize("Q4_0", bytes, 64).length, 64);
  assert.throws(() => dequantize("Q4_0", bytes, 48), /48 elements of Q4_0: there are 36 bytes, wanted 18 for each 32/);
  assert.throws(() => dequantize("Q4_0", bytes.subarray(1), 64), /there are 35 bytes/);
});

test.run();
