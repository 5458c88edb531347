import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  CODEBOOKS,
  PACKINGS,
  rebias,
  repack,
  weightLayout,
  type WeightType,
} from "../../../src/kernels/formats/weight-layout.ts";
import { dequantize, halfToFloat } from "../../../src/checkpoint/dequantize.ts";
import { quantize } from "../../llama/quantize.ts";
import { assertClose, randomMatrix, WEIGHT_TYPES } from "../kernel-fixture.ts";

/** The value of a rebiased 16-bit float, as f16.wgsl reads it. */
function read(rebiased: number): number {
  const bits = new Int32Array([rebiased << 16]);
  bits[0] = bits[0]! >> 3 & 0x8fffe000;
  return new Float32Array(bits.buffer)[0]! * 2 ** 102;
}

test("rebias() keeps each 16-bit float below 128, and makes none subnormal", () => {
  let kept = 0;
  for (let half = 0; half < 2 ** 16; half++) {
    const value = halfToFloat(half);
    if (!(Math.abs(value) < 128)) {
      assert.throws(() => rebias(half), /^Cannot hold the 16-bit float 0x[0-9a-f]{4}/);
      continue;
    }
    const rebiased = rebias(half);
    assert.ok(Object.is(read(rebiased), value), `0x${half.toString(16)}: ${read(rebiased)}, wanted ${value}`);
    assert.ok(value === 0 || (rebiased & 0x7c00) > 0);
    kept++;
  }
  assert.is(kept, 2 * 22 * 1024);
});

/** Element `e` of a unit, from the unit's words and scales for its weight row, by the heads of the formats' WGSL. */
const ELEMENTS: Readonly<
  Record<WeightType, (words: Uint32Array, e: number, scale: number, superScale: number) => number>
> = {
  F32: (words, e) => new Float32Array(words.buffer)[e]!,
  F16: (words, e) => halfToFloat(bits(words[e >> 1]!, 16 * (e & 1), 16)),
  BF16: (words, e) => brainFloat(bits(words[e >> 1]!, 16 * (e & 1), 16)),
  Q4_0: (words, e, d) => halfToFloat(d) * (nibble(words, e) - 8),
  Q4_1: (words, e, dm) => halfToFloat(bits(dm, 0, 16)) * nibble(words, e) + halfToFloat(bits(dm, 16, 16)),
  Q5_0: (words, e, d) => halfToFloat(d) * (fiveBits(words, e) - 16),
  Q5_1: (words, e, dm) => halfToFloat(bits(dm, 0, 16)) * fiveBits(words, e) + halfToFloat(bits(dm, 16, 16)),
  Q8_0: (words, e, d) => halfToFloat(d) * signed(bits(words[e >> 2]!, 8 * (e & 3), 8)),
  Q2_K: (words, e, scales, superScale) =>
    halfToFloat(bits(superScale, 0, 16)) * bits(scales, e < 16 ? 0 : 8, 4) * bits(words[e >> 4]!, 2 * (e & 15), 2) -
    halfToFloat(bits(superScale, 16, 16)) * bits(scales, e < 16 ? 4 : 12, 4),
  Q3_K: (words, e, scales, superScale) => {
    const last = words.reduce((octet, word, i) => octet | bits(word, 24, 8) << 8 * i, 0);
    const code = bits(e < 24 ? words[e >> 3]! : last, 3 * (e & 7), 3);
    return halfToFloat(bits(superScale, 0, 16)) * signed(bits(scales, e < 16 ? 0 : 8, 8)) * (code - 4);
  },
  Q4_K: (words, e, scale, superScale) => elementOfK(nibble(words, e), scale, superScale),
  Q5_K: (words, e, scale, superScale) => elementOfK(fiveBits(words, e), scale, superScale),
  Q6_K: (words, e, scales, superScale) =>
    halfToFloat(bits(superScale, 0, 16)) * signed(bits(scales, e < 16 ? 0 : 8, 8)) *
    (sixBits(words, e) - 32),
  IQ4_NL: (words, e, d) => halfToFloat(d) * entry(words, e, "IQ4_NL"),
  IQ4_XS: (words, e, scale, superScale) => halfToFloat(superScale) * brainFloat(scale) * entry(words, e, "IQ4_XS"),
  MXFP4: (words, e, scale) => brainFloat(scale) * entry(words, e, "MXFP4"),
};

const bits = (word: number, from: number, count: number) => word >>> from & 2 ** count - 1;
const nibble = (words: Uint32Array, e: number) => bits(words[e >> 3]!, 4 * (e & 7), 4);
/** By the comments in codes.wgsl. */
const fiveBits = (words: Uint32Array, e: number) => {
  const [octet, i] = [e >> 3, e & 7];
  if (i < 6) return bits(words[octet]!, 5 * i, 5);
  return bits(bits(words[octet]!, 30, 2) << 8 | bits(words[4]!, 8 * octet, 8), 5 * (i - 6), 5);
};
const sixBits = (words: Uint32Array, e: number) => {
  const [octet, i] = [e >> 3, e & 7];
  if (i < 5) return bits(words[octet]!, 6 * i, 6);
  const rest = bits(words[4 + (octet >> 1)]!, 16 * (octet & 1), 16);
  return bits(bits(words[octet]!, 30, 2) << 16 | rest, 6 * (i - 5), 6);
};
const brainFloat = (high: number) => new Float32Array(new Uint32Array([high << 16]).buffer)[0]!;
/** The codebook's entry, or the byte that lies in its code's place. */
const entry = (words: Uint32Array, e: number, type: WeightType) =>
  words.length === 8 ? signed(bits(words[e >> 2]!, 8 * (e & 3), 8)) : CODEBOOKS[type]![nibble(words, e)]!;
const signed = (byte: number) => byte << 24 >> 24;
const elementOfK = (code: number, scale: number, superScale: number) =>
  halfToFloat(bits(superScale, 0, 16)) * bits(scale, 0, 8) * code -
  halfToFloat(bits(superScale, 16, 16)) * bits(scale, 8, 8);

for (const tileN of [4, 16, 32]) {
  for (const type of WEIGHT_TYPES) {
    test(`repack(): ${type} in tiles of ${tileN} is laid out as described`, () => {
      // Neither fills whole tiles; an odd number of units, or of super-blocks.
      const [n, k] = [tileN + 7, PACKINGS[type].elements > 32 ? 768 : 96];
      const file = quantize(type, randomMatrix(1, n, k));
      const layout = weightLayout(type, k, tileN);
      const { quants, scales, supers } = repack(layout, file, n);
      const { words, firstWords } = layout;
      const { scaleBytes, superBytes } = PACKINGS[type];
      const [units, quads] = [k / 32, tileN / 4];
      const wordOf = (row: number, unit: number, word: number) => {
        const [tile, quad] = [Math.floor(row / tileN), Math.floor(row % tileN / 4)];
        const own = quads === 1
          ? word * units + unit
          : word < firstWords
          ? (unit * firstWords + word) * quads + quad
          : (units * firstWords + unit * (words - firstWords) + word - firstWords) * quads + quad;
        return 4 * (tile * units * words * quads + own) + row % 4;
      };
      /** The place of a word in a plane [tile][unit / shared][quad], which has one for each `shared` units. */
      const placeOf = (row: number, unit: number, shared: number) =>
        4 * ((Math.floor(row / tileN) * Math.ceil(units / shared) + Math.floor(unit / shared)) * quads +
          Math.floor(row % tileN / 4));
      const scaleHalves = new Uint16Array(scales.buffer);
      const got = Float64Array.from({ length: n * k }, (_, at) => {
        const [row, unit, e] = [Math.floor(at / k), Math.floor(at % k / 32), at % 32];
        const own = Uint32Array.from({ length: words }, (_, word) => quants[wordOf(row, unit, word)]!);
        const scale = scaleBytes === 4
          ? scales[placeOf(row, unit, 1) + row % 4]!
          : scaleBytes === 2
          ? scaleHalves[2 * placeOf(row, unit, 2) + 4 * (unit % 2) + row % 4]!
          : 0;
        const superScale = superBytes === 4 ? supers[placeOf(row, unit, 8) + row % 4]! : 0;
        if (layout.rebiased) return read(bits(own[e >> 1]!, 16 * (e & 1), 16));
        return ELEMENTS[type](own, e, scale, superScale);
      });
      assertClose(type, got, dequantize(type, file, n * k), 0, 1e-6);
      // Nothing but the n weight rows: as many words as they have, and zeros.
      for (let row = n; row < 2 * tileN; row++) {
        for (let unit = 0; unit < units; unit++) {
          for (let word = 0; word < words; word++) assert.is(quants[wordOf(row, unit, word)], 0);
        }
      }
      const length = ({ length }: Uint32Array) => length / 4 / Math.ceil(n / tileN);
      assert.equal([quants, scales, supers].map(length), [layout.quantWords, layout.scaleWords, layout.superWords]);
    });
  }
}

test.run();
