import { CODEBOOKS } from "../../src/kernels/formats/weight-layout.ts";
import { FORMATS, type TensorType } from "../../src/checkpoint/formats.ts";

/**
 * Blocks of `type` for the values (whole blocks), by plain rounding: for tests, which need every field in use, not the
 * best fit. Every second block holds its negation with negated scales, so that scales of both signs occur.
 */
export function quantize(type: TensorType, values: Float32Array): Uint8Array<ArrayBuffer> {
  const { blockElements, blockBytes } = FORMATS[type];
  const blocks = values.length / blockElements;
  if (!Number.isInteger(blocks)) {
    throw new Error(`Cannot quantize ${values.length} values: ${type} has blocks of ${blockElements}; give whole ones`);
  }
  const view = new DataView(new ArrayBuffer(blocks * blockBytes));
  for (let block = 0; block < blocks; block++) {
    const sign = block % 2 === 0 || blockElements === 1 ? 1 : -1;
    const x = values.slice(block * blockElements, (block + 1) * blockElements).map((value) => value * sign);
    ENCODERS[type](view, block * blockBytes, x, sign);
  }
  return new Uint8Array(view.buffer);
}

/** Writes the block of the values `x` at byte `at`, its outermost scales times `sign`. */
type Encoder = (view: DataView, at: number, x: Float32Array, sign: number) => void;

const ENCODERS: Readonly<Record<TensorType, Encoder>> = {
  F32: (view, at, x) => view.setFloat32(at, x[0]!, true),
  F16: (view, at, x) => view.setFloat16(at, x[0]!, true),
  BF16: (view, at, x) => {
    const bits = new Uint32Array(x.buffer)[0]!;
    view.setUint16(at, (bits + 0x7fff + (bits >>> 16 & 1)) >>> 16, true);
  },
  Q4_0: (view, at, x, sign) => {
    const d = setHalf(view, at, extreme(x) / -8, sign);
    for (let i = 0; i < 16; i++) view.setUint8(at + 2 + i, level(x[i]!, d, 15, 8) | level(x[i + 16]!, d, 15, 8) << 4);
  },
  Q4_1: (view, at, x, sign) => {
    const d = setHalf(view, at, (Math.max(...x) - Math.min(...x)) / 15, sign);
    const m = setHalf(view, at + 2, Math.min(...x), sign);
    for (let i = 0; i < 16; i++) view.setUint8(at + 4 + i, level(x[i]! - m, d, 15) | level(x[i + 16]! - m, d, 15) << 4);
  },
  Q5_0: (view, at, x, sign) => {
    const d = setHalf(view, at, extreme(x) / -16, sign);
    encodeFives(view, at + 2, x, (value) => level(value, d, 31, 16));
  },
  Q5_1: (view, at, x, sign) => {
    const d = setHalf(view, at, (Math.max(...x) - Math.min(...x)) / 31, sign);
    const m = setHalf(view, at + 2, Math.min(...x), sign);
    encodeFives(view, at + 4, x, (value) => level(value - m, d, 31));
  },
  Q8_0: (view, at, x, sign) => {
    const d = setHalf(view, at, Math.abs(extreme(x)) / 127, sign);
    for (let i = 0; i < 32; i++) view.setInt8(at + 2 + i, level(x[i]!, d, 255, 128) - 128);
  },
  Q2_K: (view, at, x, sign) => {
    const groups = sixteens(x);
    const minimums = groups.map((group) => Math.max(0, -Math.min(...group)));
    const scales = groups.map((group, s) => (Math.max(...group) + minimums[s]!) / 3);
    const d = setHalf(view, at + 80, Math.max(...scales) / 15, sign);
    const dmin = setHalf(view, at + 82, Math.max(...minimums) / 15, sign);
    groups.forEach((group, s) => {
      const [scale, minimum] = [level(scales[s]!, d, 15), level(minimums[s]!, dmin, 15)];
      view.setUint8(at + s, scale | minimum << 4);
      group.forEach((value, l) => orCrumb(view, at + 16, 16 * s + l, level(value + dmin * minimum, d * scale, 3)));
    });
  },
  Q3_K: (view, at, x, sign) => {
    const groups = sixteens(x);
    const scales = groups.map((group) => extreme(group) / -4);
    const d = setHalf(view, at + 108, Math.abs(extreme(scales)) / 31, sign);
    groups.forEach((group, s) => {
      const scale = level(scales[s]!, d, 63, 32);
      orByte(view, at + 96 + s % 8, (scale & 15) << 4 * (s >> 3));
      orByte(view, at + 104 + s % 4, scale >> 4 << 2 * (s >> 2));
      group.forEach((value, l) => {
        const [i, q] = [16 * s + l, level(value, d * (scale - 32), 7, 4)];
        orCrumb(view, at + 32, i, q & 3);
        orByte(view, at + (i & 31), q >> 2 << (i >> 5));
      });
    });
  },
  Q4_K: (view, at, x, sign) => encodeK(view, at, x, sign, at + 16, null),
  Q5_K: (view, at, x, sign) => encodeK(view, at, x, sign, at + 48, at + 16),
  Q6_K: (view, at, x, sign) => {
    const scales = Array.from({ length: 16 }, (_, s) => extreme(x.subarray(16 * s, 16 * s + 16)) / -32);
    const d = setHalf(view, at + 208, Math.abs(extreme(scales)) / 127, sign);
    scales.forEach((scale, s) => view.setInt8(at + 192 + s, level(scale, d, 255, 128) - 128));
    for (let i = 0; i < 256; i++) {
      const q = level(x[i]!, d * view.getInt8(at + 192 + (i >> 4)), 63, 32);
      const [half, quarter, l] = [i >> 7, i >> 5 & 3, i & 31];
      orByte(view, at + 64 * half + 32 * (quarter & 1) + l, (q & 15) << 4 * (quarter >> 1));
      orByte(view, at + 128 + 32 * half + l, q >> 4 << 2 * quarter);
    }
  },
  IQ4_NL: (view, at, x, sign) => {
    const d = setHalf(view, at, extreme(x) / -127, sign);
    encodeEntries(view, at + 2, x, d, CODEBOOKS.IQ4_NL!);
  },
  IQ4_XS: (view, at, x, sign) => {
    const subBlocks = Array.from({ length: 8 }, (_, s) => x.subarray(32 * s, 32 * s + 32));
    const scales = subBlocks.map((sub) => extreme(sub) / -127);
    const d = setHalf(view, at, Math.abs(extreme(scales)) / 31, sign);
    let highs = 0;
    subBlocks.forEach((sub, s) => {
      const scale = level(scales[s]!, d, 63, 32);
      orByte(view, at + 4 + (s >> 1), (scale & 15) << 4 * (s & 1));
      highs |= scale >> 4 << 2 * s;
      encodeEntries(view, at + 8 + 16 * s, sub, d * (scale - 32), CODEBOOKS.IQ4_XS!);
    });
    view.setUint16(at + 2, highs, true);
  },
  MXFP4: (view, at, x, sign) => {
    // The scale has no sign, and the largest entry is 12.
    const e = Math.min(254, Math.max(0, 128 + Math.ceil(Math.log2(Math.abs(extreme(x)) / 12))));
    view.setUint8(at, e);
    encodeEntries(view, at + 1, x, sign * 2 ** (e - 128), CODEBOOKS.MXFP4!);
  },
};

/** Codes of five bits: their fifth bits in four bytes at `at`, then the lower four, i and i + 16 in a byte. */
function encodeFives(view: DataView, at: number, x: Float32Array, code: (value: number) => number): void {
  x.forEach((value, i) => {
    const q = code(value);
    orByte(view, at + (i >> 3), q >> 4 << i % 8);
    orByte(view, at + 4 + i % 16, (q & 15) << 4 * (i >> 4));
  });
}

/** The codes of the codebook's nearest entries, i and i + 16 in a byte. */
function encodeEntries(view: DataView, at: number, x: Float32Array, scale: number, codebook: readonly number[]): void {
  x.forEach((value, i) => {
    let code = 0;
    for (let c = 1; c < 16; c++) {
      if (Math.abs(codebook[c]! * scale - value) < Math.abs(codebook[code]! * scale - value)) code = c;
    }
    // Every second 0 is the negative one, for a codebook that has two.
    if (codebook[code] === codebook[code ^ 8] && i % 2 === 1) code ^= 8;
    orByte(view, at + i % 16, code << 4 * (i >> 4));
  });
}

/** Sets the two bits of element i of 256, in the 64 bytes at `at` of a block of Q2_K or Q3_K. */
function orCrumb(view: DataView, at: number, i: number, bits: number): void {
  orByte(view, at + 32 * (i >> 7) + (i & 31), bits << 2 * (i >> 5 & 3));
}

/** The 16 sub-blocks of 16 values. */
function sixteens(x: Float32Array): Float32Array[] {
  return Array.from({ length: 16 }, (_, s) => x.subarray(16 * s, 16 * s + 16));
}

function encodeK(
  view: DataView,
  at: number,
  x: Float32Array,
  sign: number,
  lowAt: number,
  highAt: number | null,
): void {
  const levels = highAt === null ? 15 : 31;
  const subBlocks = Array.from({ length: 8 }, (_, s) => x.subarray(32 * s, 32 * s + 32));
  const minimums = subBlocks.map((sub) => Math.max(0, -Math.min(...sub)));
  const scales = subBlocks.map((sub, s) => (Math.max(...sub) + minimums[s]!) / levels);
  const d = setHalf(view, at, Math.max(...scales) / 63, sign);
  const dmin = setHalf(view, at + 2, Math.max(...minimums) / 63, sign);
  for (let s = 0; s < 8; s++) {
    const scale = level(scales[s]!, d, 63);
    const minimum = level(minimums[s]!, dmin, 63);
    if (s < 4) {
      orByte(view, at + 4 + s, scale);
      orByte(view, at + 8 + s, minimum);
    } else {
      orByte(view, at + s, scale >> 4 << 6);
      orByte(view, at + 4 + s, minimum >> 4 << 6);
      orByte(view, at + 8 + s, scale & 15 | (minimum & 15) << 4);
    }
    for (let l = 0; l < 32; l++) {
      const q = level(subBlocks[s]![l]! + dmin * minimum, d * scale, levels);
      orByte(view, lowAt + 32 * (s >> 1) + l, (q & 15) << 4 * (s & 1));
      if (highAt !== null) orByte(view, highAt + l, q >> 4 << s);
    }
  }
}

/** The value that is farthest from 0, with its sign. */
function extreme(values: ArrayLike<number> & Iterable<number>): number {
  let found = 0;
  for (const value of values) if (Math.abs(value) > Math.abs(found)) found = value;
  return found;
}

/** Which of the levels 0 to `max`, that stand for `step * (level - zero)`, comes nearest to `value`. */
function level(value: number, step: number, max: number, zero = 0): number {
  return Math.min(max, Math.max(0, zero + (step === 0 ? 0 : Math.round(value / step))));
}

/** Writes `value * sign` in 16 bits and returns what `value` has become. */
function setHalf(view: DataView, at: number, value: number, sign: number): number {
  view.setFloat16(at, value * sign, true);
  return view.getFloat16(at, true) * sign;
}

function orByte(view: DataView, at: number, bits: number): void {
  view.setUint8(at, view.getUint8(at) | bits);
}
