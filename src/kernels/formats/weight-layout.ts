/**
 * How weight matrices, [n][k], lie on a device. Four weight rows, a quad, share each 16-byte word, a component each, so
 * that one load serves four of them whatever the format; 32 elements of k are a unit. A tile is `tileN` weight rows;
 * planes are tile after tile:
 *
 *     quants  [tile][unit][word][quad]  (invocations split N and walk along k), or [tile][word][unit] (they split K);
 *             of the former, words beyond the first ones stand behind those of all the tile's units: see planes.wgsl
 *     scales  [tile][unit][quad], or [tile][unit / 2][quad] where two units share a word
 *     supers  [tile][unit / 8][quad]
 *
 * The WGSL that reads them: formats/*.wgsl, split-n.wgsl, split-k.wgsl. The bits are the file's own, element e of a
 * unit at nibble e % 8 of component e / 8 and so on, but for F16 where invocations split N (`rebias`); weight rows that
 * pad the last tile are zero. Block formats: ggml-quants.h of ggml-org/llama.cpp.
 */

/** The formats that kernels read. */
export type WeightType = "F32" | "F16" | "BF16" | "Q4_0" | "Q4_1" | "Q8_0" | "Q4_K" | "Q5_K" | "Q6_K";

interface Packing {
  /** Elements and bytes of the file's block. */
  readonly elements: number;
  readonly bytes: number;
  /** 16-byte words that hold one unit's quants for four weight rows. */
  readonly words: number;
  /** Those of them that are read octet by octet, a power of two; the rest are read once for the unit. */
  readonly firstWords: number;
  /** Bytes of a unit's scale, for each weight row. */
  readonly scaleBytes: 0 | 2 | 4;
  /** Bytes of the scale of eight units, for each weight row. */
  readonly superBytes: 0 | 4;
}

/** How large each format is, in the file and on a device. */
export const PACKINGS: Readonly<Record<WeightType, Packing>> = {
  F32: { elements: 1, bytes: 4, words: 32, firstWords: 32, scaleBytes: 0, superBytes: 0 },
  F16: { elements: 1, bytes: 2, words: 16, firstWords: 16, scaleBytes: 0, superBytes: 0 },
  BF16: { elements: 1, bytes: 2, words: 16, firstWords: 16, scaleBytes: 0, superBytes: 0 },
  Q4_0: { elements: 32, bytes: 18, words: 4, firstWords: 4, scaleBytes: 2, superBytes: 0 },
  Q4_1: { elements: 32, bytes: 20, words: 4, firstWords: 4, scaleBytes: 4, superBytes: 0 },
  Q8_0: { elements: 32, bytes: 34, words: 8, firstWords: 8, scaleBytes: 2, superBytes: 0 },
  Q4_K: { elements: 256, bytes: 144, words: 4, firstWords: 4, scaleBytes: 2, superBytes: 4 },
  Q5_K: { elements: 256, bytes: 176, words: 5, firstWords: 4, scaleBytes: 2, superBytes: 4 },
  Q6_K: { elements: 256, bytes: 210, words: 6, firstWords: 4, scaleBytes: 2, superBytes: 4 },
};

/** Bytes of `elements` elements, whole blocks, in the file. */
export function packedBytes(type: WeightType, elements: number): number {
  return elements / PACKINGS[type].elements * PACKINGS[type].bytes;
}

export interface WeightLayout {
  readonly type: WeightType;
  /** Weight rows of a tile: 4 where invocations split K. */
  readonly tileN: number;
  /** Whether 16-bit floats are rebiased. */
  readonly rebiased: boolean;
  /** Units of a weight row. */
  readonly units: number;
  /** 16-byte words of a tile in each plane. */
  readonly quantWords: number;
  readonly scaleWords: number;
  readonly superWords: number;
}

/** The layout of a matrix whose weight rows have `k` elements, a multiple of 32. */
export function weightLayout(type: WeightType, k: number, tileN: number): WeightLayout {
  const { words, scaleBytes, superBytes } = PACKINGS[type];
  const units = k / 32;
  const quads = tileN / 4;
  return {
    type,
    tileN,
    rebiased: type === "F16" && quads > 1,
    units,
    quantWords: units * words * quads,
    scaleWords: scaleBytes === 0 ? 0 : (scaleBytes === 4 ? units : Math.ceil(units / 2)) * quads,
    superWords: superBytes === 0 ? 0 : units / 8 * quads,
  };
}

/** Bytes that `tiles` tiles take on the device, in all planes. */
export function tileBytes(layout: WeightLayout, tiles = 1): number {
  return 16 * tiles * (layout.quantWords + layout.scaleWords + layout.superWords);
}

/** Whole tiles, plane by plane. */
export interface RepackedTiles {
  readonly quants: Uint32Array<ArrayBuffer>;
  readonly scales: Uint32Array<ArrayBuffer>;
  readonly supers: Uint32Array<ArrayBuffer>;
}

/**
 * Repacks `n` weight rows, as they lie in the file, into whole tiles. Throws a RangeError for 16-bit floats that can't
 * be rebiased.
 */
export function repack(layout: WeightLayout, source: Uint8Array, n: number): RepackedTiles {
  const { type, tileN, units } = layout;
  const { words, firstWords, elements, bytes, scaleBytes } = PACKINGS[type];
  const quads = tileN / 4;
  const tiles = Math.ceil(n / tileN);
  const quants = new Uint32Array(tiles * layout.quantWords * 4);
  const scales = new Uint32Array(tiles * layout.scaleWords * 4);
  const supers = new Uint32Array(tiles * layout.superWords * 4);
  const scaleHalves = new Uint16Array(scales.buffer);
  const take = layout.rebiased ? copyRebiased : UNPACK[type];
  const unit: Unit = { components: new Uint32Array(words), scale: 0, superScale: 0 };
  const weightRowBytes = packedBytes(type, units * 32);
  // The place of word w of unit u in its tile, for the first quad.
  const placeOf = (u: number, w: number) => {
    if (quads === 1) return w * units + u;
    if (w < firstWords) return (u * firstWords + w) * quads;
    return (units * firstWords + u * (words - firstWords) + w - firstWords) * quads;
  };
  for (let i = 0; i < n; i++) {
    const tile = Math.floor(i / tileN);
    const quad = Math.floor(i / 4) % quads;
    const component = i % 4;
    for (let u = 0; u < units; u++) {
      const block = i * weightRowBytes + Math.floor(u * 32 / elements) * bytes;
      take(source, block, u % 8, unit);
      const at = tile * layout.quantWords + quad;
      for (let w = 0; w < words; w++) quants[(at + placeOf(u, w)) * 4 + component] = unit.components[w]!;
      if (scaleBytes === 4) {
        scales[(tile * layout.scaleWords + u * quads + quad) * 4 + component] = unit.scale;
      } else if (scaleBytes === 2) {
        const word = tile * layout.scaleWords + (u >> 1) * quads + quad;
        scaleHalves[word * 8 + (u & 1) * 4 + component] = unit.scale;
      }
      if (layout.superWords > 0 && u % 8 === 0) {
        supers[(tile * layout.superWords + (u >> 3) * quads + quad) * 4 + component] = unit.superScale;
      }
    }
  }
  return { quants, scales, supers };
}

/**
 * A 16-bit float with the exponent's bias 25 in place of 15. None is subnormal then (many devices take subnormal floats
 * for zero, and CPUs are slow with them), and no two become one. Throws a RangeError from 128 on, and for one that is
 * not finite.
 */
export function rebias(half: number): number {
  const rebiased = (rebiasedHalves ??= Int32Array.from({ length: 2 ** 16 }, (_, half) => rebiasedOf(half)))[half]!;
  if (rebiased < 0) {
    throw new RangeError(
      `Cannot hold the 16-bit float 0x${
        half.toString(16)
      } of a weight on this device: finite ones below 128 are wanted; convert the model to BF16 or Q8_0`,
    );
  }
  return rebiased;
}

let rebiasedHalves: Int32Array | undefined;

function rebiasedOf(half: number): number {
  const [sign, exponent, mantissa] = [half & 0x8000, half >> 10 & 31, half & 0x3ff];
  if (exponent > 21) return -1;
  if (exponent > 0) return sign | exponent + 10 << 10 | mantissa;
  if (mantissa === 0) return sign;
  const top = 31 - Math.clz32(mantissa);
  return sign | top + 1 << 10 | mantissa << 10 - top & 0x3ff;
}

interface Unit {
  readonly components: Uint32Array;
  scale: number;
  superScale: number;
}

/**
 * Takes unit `index` (of eight, in a super-block) from the block at byte `at`; for unquantised types `at` is the unit's
 * own start.
 */
type Unpack = (source: Uint8Array, at: number, index: number, unit: Unit) => void;

const u16 = (s: Uint8Array, at: number) => s[at]! | s[at + 1]! << 8;
const u32 = (s: Uint8Array, at: number) => s[at]! | s[at + 1]! << 8 | s[at + 2]! << 16 | s[at + 3]! << 24;

function copyWords(source: Uint8Array, at: number, unit: Unit): void {
  for (let w = 0; w < unit.components.length; w++) unit.components[w] = u32(source, at + 4 * w);
}

function copyRebiased(source: Uint8Array, at: number, _: number, unit: Unit): void {
  for (let w = 0; w < unit.components.length; w++) {
    unit.components[w] = rebias(u16(source, at + 4 * w)) | rebias(u16(source, at + 4 * w + 2)) << 16;
  }
}

/** The low nibbles of four bytes as 16 bits. */
function packNibbles(word: number): number {
  const pairs = word & 0x0f0f0f0f | (word & 0x0f0f0f0f) >>> 4;
  return pairs & 0xff | pairs >>> 8 & 0xff00;
}

/**
 * Low nibbles are elements 0 to 15 and high ones 16 to 31 in the file; in `out` element e is nibble e % 8 of component
 * e / 8.
 */
function splitNibbles(source: Uint8Array, at: number, out: Uint32Array): void {
  for (let w = 0; w < 2; w++) {
    const [a, b] = [u32(source, at + 8 * w), u32(source, at + 8 * w + 4)];
    out[w] = packNibbles(a) | packNibbles(b) << 16;
    out[w + 2] = packNibbles(a >>> 4) | packNibbles(b >>> 4) << 16;
  }
}

/** The low or the high nibbles of 32 bytes, in order. */
function joinNibbles(source: Uint8Array, at: number, shift: 0 | 4, out: Uint32Array): void {
  for (let w = 0; w < 4; w++) {
    const [a, b] = [u32(source, at + 8 * w), u32(source, at + 8 * w + 4)];
    out[w] = packNibbles(a >>> shift) | packNibbles(b >>> shift) << 16;
  }
}

/** The two low bits of four bytes as 8 bits. */
function packCrumbs(word: number): number {
  const crumbs = word & 0x03030303;
  return (crumbs | crumbs >>> 6 | crumbs >>> 12 | crumbs >>> 18) & 0xff;
}

/**
 * The six-bit scale and minimum of a unit, a byte each (get_scale_min_k4 in ggml-quants.c), from the 12 packed bytes at
 * `at`.
 */
function scaleAndMinimum(s: Uint8Array, at: number, index: number): number {
  if (index < 4) return s[at + index]! & 63 | (s[at + index + 4]! & 63) << 8;
  const scale = s[at + index + 4]! & 15 | s[at + index - 4]! >> 6 << 4;
  const minimum = s[at + index + 4]! >> 4 | s[at + index]! >> 6 << 4;
  return scale | minimum << 8;
}

const UNPACK: Readonly<Record<WeightType, Unpack>> = {
  F32: (s, at, _, unit) => copyWords(s, at, unit),
  F16: (s, at, _, unit) => copyWords(s, at, unit),
  BF16: (s, at, _, unit) => copyWords(s, at, unit),
  Q4_0: (s, at, _, unit) => {
    unit.scale = u16(s, at);
    splitNibbles(s, at + 2, unit.components);
  },
  Q4_1: (s, at, _, unit) => {
    unit.scale = u32(s, at);
    splitNibbles(s, at + 4, unit.components);
  },
  Q8_0: (s, at, _, unit) => {
    unit.scale = u16(s, at);
    copyWords(s, at + 2, unit);
  },
  Q4_K: (s, at, index, unit) => {
    unit.superScale = u32(s, at);
    unit.scale = scaleAndMinimum(s, at + 4, index);
    joinNibbles(s, at + 16 + 32 * (index >> 1), index % 2 === 1 ? 4 : 0, unit.components);
  },
  Q5_K: (s, at, index, unit) => {
    unit.superScale = u32(s, at);
    unit.scale = scaleAndMinimum(s, at + 4, index);
    joinNibbles(s, at + 48 + 32 * (index >> 1), index % 2 === 1 ? 4 : 0, unit.components);
    let high = 0;
    for (let i = 0; i < 32; i++) high |= (s[at + 16 + i]! >> index & 1) << i;
    unit.components[4] = high;
  },
  Q6_K: (s, at, index, unit) => {
    const [half, quarter] = [index >> 2, index & 3];
    unit.superScale = u16(s, at + 208);
    unit.scale = u16(s, at + 192 + 2 * index);
    joinNibbles(s, at + 64 * half + 32 * (quarter & 1), quarter >= 2 ? 4 : 0, unit.components);
    for (let w = 0; w < 2; w++) {
      let high = 0;
      for (let i = 0; i < 4; i++) {
        high |= packCrumbs(u32(s, at + 128 + 32 * half + 16 * w + 4 * i) >>> 2 * quarter) << 8 * i;
      }
      unit.components[4 + w] = high;
    }
  },
};
