import { CODEBOOKS } from "../kernels/formats/weight-layout.ts";
import { FORMATS, type TensorType } from "./formats.ts";

/**
 * The float32 values of the first `elements` elements in `bytes`, which have to be whole blocks, exactly as
 * ggml-quants.c computes them. All products here fit a float32, and the sums of formats with minimums fit a double. So
 * each value is rounded once at most, and neither the order of operations nor fusing them matters. Throws an Error
 * where `bytes` is too short or `elements` is no number of whole blocks.
 */
export function dequantize(type: TensorType, bytes: Uint8Array, elements: number): Float32Array<ArrayBuffer> {
  const { blockElements, blockBytes } = FORMATS[type];
  const blocks = elements / blockElements;
  if (!Number.isInteger(blocks) || bytes.length < blocks * blockBytes) {
    throw new Error(
      `Cannot dequantize ${elements} elements of ${type}: there are ${bytes.length} bytes, ` +
        `wanted ${blockBytes} for each ${blockElements}; give whole blocks`,
    );
  }
  const output = new Float32Array(elements);
  const view = new DataView(bytes.buffer, bytes.byteOffset, blocks * blockBytes);
  const decode = DECODERS[type];
  for (let block = 0; block < blocks; block++) decode(view, block * blockBytes, output, block * blockElements);
  return output;
}

/** The value of an IEEE binary16 number, which is given as its 16 bits. */
export function halfToFloat(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = half >> 10 & 31;
  const fraction = half & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return exponent ? sign * (1024 + fraction) * 2 ** (exponent - 25) : sign * fraction * 2 ** -24;
}

/** Writes the values of the block at byte `at` to `y` from index `o` on. */
type Decoder = (view: DataView, at: number, y: Float32Array, o: number) => void;

const DECODERS: Readonly<Record<TensorType, Decoder>> = {
  F32: (view, at, y, o) => y[o] = view.getFloat32(at, true),
  F16: (view, at, y, o) => y[o] = half(view, at),
  BF16: (view, at, y, o) => {
    BITS[0] = view.getUint16(at, true) << 16;
    y[o] = FLOAT[0]!;
  },
  Q4_0: (view, at, y, o) => {
    const d = half(view, at);
    for (let i = 0; i < 16; i++) {
      const pair = view.getUint8(at + 2 + i);
      y[o + i] = d * ((pair & 15) - 8);
      y[o + i + 16] = d * ((pair >> 4) - 8);
    }
  },
  Q4_1: (view, at, y, o) => {
    const d = half(view, at);
    const m = half(view, at + 2);
    for (let i = 0; i < 16; i++) {
      const pair = view.getUint8(at + 4 + i);
      y[o + i] = d * (pair & 15) + m;
      y[o + i + 16] = d * (pair >> 4) + m;
    }
  },
  Q5_0: (view, at, y, o) => {
    const d = half(view, at);
    decodeFives(view, at + 2, y, o, (q) => d * (q - 16));
  },
  Q5_1: (view, at, y, o) => {
    const d = half(view, at);
    const m = half(view, at + 2);
    decodeFives(view, at + 4, y, o, (q) => d * q + m);
  },
  Q8_0: (view, at, y, o) => {
    const d = half(view, at);
    for (let i = 0; i < 32; i++) y[o + i] = d * view.getInt8(at + 2 + i);
  },
  Q2_K: (view, at, y, o) => {
    const d = half(view, at + 80);
    const dmin = half(view, at + 82);
    for (let i = 0; i < 256; i++) {
      const scale = view.getUint8(at + (i >> 4));
      y[o + i] = d * (scale & 15) * crumb(view, at + 16, i) - dmin * (scale >> 4);
    }
  },
  Q3_K: (view, at, y, o) => {
    const d = half(view, at + 108);
    for (let i = 0; i < 256; i++) {
      // The six-bit scale of 16 elements: four bits in the first 8 of the 12 bytes, two in the last 4.
      const s = i >> 4;
      const low = view.getUint8(at + 96 + s % 8) >> 4 * (s >> 3) & 15;
      const scale = (low | (view.getUint8(at + 104 + s % 4) >> 2 * (s >> 2) & 3) << 4) - 32;
      const high = view.getUint8(at + (i & 31)) >> (i >> 5) & 1;
      y[o + i] = d * scale * ((crumb(view, at + 32, i) | high << 2) - 4);
    }
  },
  Q4_K: (view, at, y, o) => decodeK(view, at, y, o, at + 16, null),
  Q5_K: (view, at, y, o) => decodeK(view, at, y, o, at + 48, at + 16),
  Q6_K: (view, at, y, o) => {
    const d = half(view, at + 208);
    // Each half of 128 elements has 64 bytes of low nibbles and 32 bytes of upper bit pairs.
    for (let i = 0; i < 256; i++) {
      const [upper, quarter, l] = [i >> 7, i >> 5 & 3, i & 31];
      const low = view.getUint8(at + 64 * upper + 32 * (quarter & 1) + l) >> (quarter >> 1) * 4 & 15;
      const high = view.getUint8(at + 128 + 32 * upper + l) >> quarter * 2 & 3;
      y[o + i] = d * view.getInt8(at + 192 + (i >> 4)) * ((low | high << 4) - 32);
    }
  },
  IQ4_NL: (view, at, y, o) => decodeEntries(view, at + 2, y, o, half(view, at), CODEBOOKS.IQ4_NL!),
  IQ4_XS: (view, at, y, o) => {
    const d = half(view, at);
    const highs = view.getUint16(at + 2, true);
    for (let s = 0; s < 8; s++) {
      const scale = view.getUint8(at + 4 + (s >> 1)) >> 4 * (s & 1) & 15 | (highs >> 2 * s & 3) << 4;
      decodeEntries(view, at + 8 + 16 * s, y, o + 32 * s, d * (scale - 32), CODEBOOKS.IQ4_XS!);
    }
  },
  // The scale is a power of two (E8M0 of the OCP MX specification), here half of it.
  MXFP4: (view, at, y, o) => decodeEntries(view, at + 1, y, o, 2 ** (view.getUint8(at) - 128), CODEBOOKS.MXFP4!),
};

/** 32 codes of five bits: their fifth bits in four bytes at `at`, then the lower four bits, i and i + 16 in a byte. */
function decodeFives(view: DataView, at: number, y: Float32Array, o: number, value: (code: number) => number): void {
  const high = view.getUint32(at, true);
  for (let i = 0; i < 16; i++) {
    const pair = view.getUint8(at + 4 + i);
    y[o + i] = value(pair & 15 | (high >> i & 1) << 4);
    y[o + i + 16] = value(pair >> 4 | (high >> i + 16 & 1) << 4);
  }
}

/** The two bits of element i of 256: each 128 elements share 32 bytes at `at`, the first 32 of them the lowest bits. */
function crumb(view: DataView, at: number, i: number): number {
  return view.getUint8(at + 32 * (i >> 7) + (i & 31)) >> 2 * (i >> 5 & 3) & 3;
}

/** 32 codes of four bits for entries of a codebook, i and i + 16 in a byte. */
function decodeEntries(
  view: DataView,
  at: number,
  y: Float32Array,
  o: number,
  scale: number,
  codebook: readonly number[],
): void {
  for (let i = 0; i < 16; i++) {
    const pair = view.getUint8(at + i);
    y[o + i] = scale * codebook[pair & 15]!;
    y[o + i + 16] = scale * codebook[pair >> 4]!;
  }
}

/**
 * Decodes a block of Q4_K or Q5_K, 256 elements in eight sub-blocks of 32. The block has d and dmin; 12 bytes with a
 * six-bit scale and a six-bit minimum for each sub-block; for Q5_K, at `highAt`, 32 bytes whose bit s is the fifth bit
 * of an element of sub-block s; at `lowAt` the lower four bits, two sub-blocks in each 32 bytes.
 */
function decodeK(view: DataView, at: number, y: Float32Array, o: number, lowAt: number, highAt: number | null): void {
  const d = half(view, at);
  const dmin = half(view, at + 2);
  for (let s = 0; s < 8; s++) {
    // As in get_scale_min_k4 of ggml-quants.c, the bytes of sub-blocks 0 to 3 have the upper two bits of 4 to 7 too.
    const [a, b, c] = [view.getUint8(at + 4 + s % 4), view.getUint8(at + 8 + s % 4), view.getUint8(at + 12 + s % 4)];
    const scale = d * (s < 4 ? a & 63 : c & 15 | a >> 6 << 4);
    const minimum = dmin * (s < 4 ? b & 63 : c >> 4 | b >> 6 << 4);
    for (let l = 0; l < 32; l++) {
      const low = view.getUint8(lowAt + 32 * (s >> 1) + l) >> (s & 1) * 4 & 15;
      const high = highAt === null ? 0 : view.getUint8(highAt + l) >> s & 1;
      y[o + 32 * s + l] = scale * (low | high << 4) - minimum;
    }
  }
}

function half(view: DataView, at: number): number {
  return halfToFloat(view.getUint16(at, true));
}

/** Shares its memory with BITS, by which the bits of a float are set. */
const FLOAT = new Float32Array(1);
const BITS = new Uint32Array(FLOAT.buffer);
