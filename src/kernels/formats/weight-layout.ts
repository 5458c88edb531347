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
 * The WGSL that reads them: formats/*.wgsl, split-n.wgsl, split-k.wgsl. The codes are the file's own: those of 2, 4 and
 * 8 bits in order, from the low bits of a component on; those of 3, 5 and 6 bits so that nearly all come out of one
 * component by a shift and a mask (q3_k.wgsl, codes.wgsl). Where invocations split N, F16 is rebiased
 * (`rebias`), and codes of a codebook are replaced by its entries, a byte each: to look them up is dear there. Weight
 * rows that pad the last tile are zero. Block formats: ggml-quants.h of ggml-org/llama.cpp.
 */

/** The formats that kernels read. */
export type WeightType =
  | "F32"
  | "F16"
  | "BF16"
  | "Q4_0"
  | "Q4_1"
  | "Q5_0"
  | "Q5_1"
  | "Q8_0"
  | "Q2_K"
  | "Q3_K"
  | "Q4_K"
  | "Q5_K"
  | "Q6_K"
  | "IQ4_NL"
  | "IQ4_XS"
  | "MXFP4";

interface Packing {
  /** Elements and bytes of the file's block. */
  readonly elements: number;
  readonly bytes: number;
  /** 16-byte words that hold one unit's quants for four weight rows. */
  readonly words: number;
  /** Those of them that stand together, a power of two: the words of the octets, or less than a word for each. */
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
  Q5_0: { elements: 32, bytes: 22, words: 5, firstWords: 4, scaleBytes: 2, superBytes: 0 },
  Q5_1: { elements: 32, bytes: 24, words: 5, firstWords: 4, scaleBytes: 4, superBytes: 0 },
  Q8_0: { elements: 32, bytes: 34, words: 8, firstWords: 8, scaleBytes: 2, superBytes: 0 },
  Q2_K: { elements: 256, bytes: 84, words: 2, firstWords: 2, scaleBytes: 2, superBytes: 4 },
  Q3_K: { elements: 256, bytes: 110, words: 3, firstWords: 2, scaleBytes: 2, superBytes: 4 },
  Q4_K: { elements: 256, bytes: 144, words: 4, firstWords: 4, scaleBytes: 2, superBytes: 4 },
  Q5_K: { elements: 256, bytes: 176, words: 5, firstWords: 4, scaleBytes: 2, superBytes: 4 },
  Q6_K: { elements: 256, bytes: 210, words: 6, firstWords: 4, scaleBytes: 2, superBytes: 4 },
  IQ4_NL: { elements: 32, bytes: 18, words: 4, firstWords: 4, scaleBytes: 2, superBytes: 0 },
  IQ4_XS: { elements: 256, bytes: 136, words: 4, firstWords: 4, scaleBytes: 2, superBytes: 4 },
  MXFP4: { elements: 32, bytes: 17, words: 4, firstWords: 4, scaleBytes: 2, superBytes: 0 },
};

/** kvalues_iq4nl of ggml-common.h. */
const IQ4_VALUES = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];
/** The signed bytes that the codes of these formats stand for. Those of MXFP4 are doubled, and its scale is halved. */
export const CODEBOOKS: Readonly<Partial<Record<WeightType, readonly number[]>>> = {
  IQ4_NL: IQ4_VALUES,
  IQ4_XS: IQ4_VALUES,
  MXFP4: [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12],
};
/** The words of a unit of bytes. */
const BYTE_WORDS = 8;

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
  /** Whether codes of a codebook lie as the bytes that they stand for. */
  readonly expanded: boolean;
  /** Units of a weight row. */
  readonly units: number;
  /** 16-byte words of a unit's quants, and those of them that stand together. */
  readonly words: number;
  readonly firstWords: number;
  /** 16-byte words of a tile in each plane. */
  readonly quantWords: number;
  readonly scaleWords: number;
  readonly superWords: number;
}

/** The layout of a matrix whose weight rows have `k` elements, a multiple of 32. */
export function weightLayout(type: WeightType, k: number, tileN: number): WeightLayout {
  const { scaleBytes, superBytes } = PACKINGS[type];
  const units = k / 32;
  const quads = tileN / 4;
  const expanded = type in CODEBOOKS && quads > 1;
  const { words, firstWords } = expanded ? { words: BYTE_WORDS, firstWords: BYTE_WORDS } : PACKINGS[type];
  return {
    type,
    tileN,
    rebiased: type === "F16" && quads > 1,
    expanded,
    units,
    words,
    firstWords,
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
  const { type, tileN, units, words, firstWords } = layout;
  const { elements, bytes, scaleBytes } = PACKINGS[type];
  const quads = tileN / 4;
  const tiles = Math.ceil(n / tileN);
  const quants = new Uint32Array(tiles * layout.quantWords * 4);
  const scales = new Uint32Array(tiles * layout.scaleWords * 4);
  const supers = new Uint32Array(tiles * layout.superWords * 4);
  const scaleHalves = new Uint16Array(scales.buffer);
  const take = layout.rebiased ? copyRebiased : UNPACK[type];
  const pairs = layout.expanded ? pairsOf(CODEBOOKS[type]!) : null;
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
      if (pairs) expandNibbles(unit.components, pairs);
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

/** The two bytes, as 16 bits, that each byte of two codes stands for. */
function pairsOf(codebook: readonly number[]): Uint16Array {
  return Uint16Array.from({ length: 256 }, (_, pair) => codebook[pair & 15]! & 255 | codebook[pair >> 4]! << 8);
}

/** Makes the nibbles of the first four words bytes of all eight. */
function expandNibbles(words: Uint32Array, pairs: Uint16Array): void {
  // From the last one on, so that none is overwritten before it is read.
  for (let w = BYTE_WORDS - 1; w >= 0; w--) {
    const nibbles = words[w >> 1]! >>> 16 * (w & 1);
    words[w] = pairs[nibbles & 255]! | pairs[nibbles >>> 8 & 255]! << 16;
  }
}

/** The two low bits of four bytes as 8 bits. */
function packCrumbs(word: number): number {
  const crumbs = word & 0x03030303;
  return (crumbs | crumbs >>> 6 | crumbs >>> 12 | crumbs >>> 18) & 0xff;
}

/** The bits `shift` and `shift` + 1 of 32 bytes, in order, as two words from `first` on. */
function joinCrumbs(source: Uint8Array, at: number, shift: number, out: Uint32Array, first: number): void {
  for (let w = 0; w < 2; w++) {
    let word = 0;
    for (let i = 0; i < 4; i++) word |= packCrumbs(u32(source, at + 16 * w + 4 * i) >>> shift) << 8 * i;
    out[first + w] = word;
  }
}

/** Bit `index` of each of 32 bytes, in order. */
function joinBits(source: Uint8Array, at: number, index: number): number {
  let word = 0;
  for (let i = 0; i < 32; i++) word |= (source[at + i]! >> index & 1) << i;
  return word;
}

/** Two codes side by side, by the lower bits of both and, above those, their upper bits; a table is fastest. */
function pairsBySplit(lower: number, upper: number): Uint16Array {
  return Uint16Array.from({ length: 1 << 2 * (lower + upper) }, (_, split) => {
    const bits = (at: number, count: number) => split >> at & (1 << count) - 1;
    const code = (i: number) => bits(i * lower, lower) | bits(2 * lower + i * upper, upper) << lower;
    return code(0) | code(1) << lower + upper;
  });
}
const THREES = pairsBySplit(2, 1);
const FIVES = pairsBySplit(4, 1);
const SIXES = pairsBySplit(4, 2);

/** Two words of lower bits and one of upper bits to codes of three bits, as q3_k.wgsl has them. */
function joinThrees(words: Uint32Array): void {
  const octets = [0, 1, 2, 3].map((octet) => {
    const [lower, upper] = [words[octet >> 1]! >>> 16 * (octet & 1), words[2]! >>> 8 * octet];
    const pair = (i: number) => THREES[lower >>> 4 * i & 15 | (upper >>> 2 * i & 3) << 4]!;
    return pair(0) | pair(1) << 6 | pair(2) << 12 | pair(3) << 18;
  });
  for (let w = 0; w < 3; w++) words[w] = octets[w]! | (octets[3]! >>> 8 * w & 255) << 24;
}

/** Four words of nibbles and one of fifth bits to codes of five bits, as `five_bit_value` in codes.wgsl has them. */
function joinFives(words: Uint32Array): void {
  let rest = 0;
  for (let octet = 0; octet < 4; octet++) {
    const [lower, upper] = [words[octet]!, words[4]! >>> 8 * octet];
    const pair = (i: number) => FIVES[lower >>> 8 * i & 255 | (upper >>> 2 * i & 3) << 8]!;
    const last = pair(3);
    words[octet] = pair(0) | pair(1) << 10 | pair(2) << 20 | last >> 8 << 30;
    rest |= (last & 255) << 8 * octet;
  }
  words[4] = rest;
}

/** Four words of nibbles and two of upper bits to codes of six bits, as `six_bit_value` in codes.wgsl has them. */
function joinSixes(words: Uint32Array): void {
  const rest = [0, 0];
  for (let octet = 0; octet < 4; octet++) {
    const [lower, upper] = [words[octet]!, words[4 + (octet >> 1)]! >>> 16 * (octet & 1)];
    const pair = (i: number) => SIXES[lower >>> 8 * i & 255 | (upper >>> 4 * i & 15) << 8]!;
    const third = pair(2);
    const last = third >> 6 | pair(3) << 6;
    words[octet] = pair(0) | pair(1) << 12 | (third & 63) << 24 | last >> 16 << 30;
    rest[octet >> 1]! |= (last & 0xffff) << 16 * (octet & 1);
  }
  words.set(rest, 4);
}

/** The scale of 16 elements, six bits less 32, from the 12 packed bytes of Q3_K at `at` (ggml-quants.c). */
function signedScale(s: Uint8Array, at: number, index: number): number {
  const low = s[at + index % 8]! >> 4 * (index >> 3) & 15;
  return (low | (s[at + 8 + index % 4]! >> 2 * (index >> 2) & 3) << 4) - 32;
}

/** A whole number below 256 in magnitude as a bfloat16, which is exact. */
function brainFloat(value: number): number {
  FLOAT[0] = value;
  return BITS[0]! >>> 16;
}

/** Shares its memory with BITS. */
const FLOAT = new Float32Array(1);
const BITS = new Uint32Array(FLOAT.buffer);

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
  Q5_0: (s, at, _, unit) => {
    unit.scale = u16(s, at);
    splitNibbles(s, at + 6, unit.components);
    unit.components[4] = u32(s, at + 2);
    joinFives(unit.components);
  },
  Q5_1: (s, at, _, unit) => {
    unit.scale = u32(s, at);
    splitNibbles(s, at + 8, unit.components);
    unit.components[4] = u32(s, at + 4);
    joinFives(unit.components);
  },
  Q8_0: (s, at, _, unit) => {
    unit.scale = u16(s, at);
    copyWords(s, at + 2, unit);
  },
  Q2_K: (s, at, index, unit) => {
    unit.superScale = u32(s, at + 80);
    unit.scale = u16(s, at + 2 * index);
    joinCrumbs(s, at + 16 + 32 * (index >> 2), 2 * (index & 3), unit.components, 0);
  },
  Q3_K: (s, at, index, unit) => {
    unit.superScale = u16(s, at + 108);
    unit.scale = signedScale(s, at + 96, 2 * index) & 255 | (signedScale(s, at + 96, 2 * index + 1) & 255) << 8;
    joinCrumbs(s, at + 32 + 32 * (index >> 2), 2 * (index & 3), unit.components, 0);
    unit.components[2] = joinBits(s, at, index);
    joinThrees(unit.components);
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
    unit.components[4] = joinBits(s, at + 16, index);
    joinFives(unit.components);
  },
  Q6_K: (s, at, index, unit) => {
    const [half, quarter] = [index >> 2, index & 3];
    unit.superScale = u16(s, at + 208);
    unit.scale = u16(s, at + 192 + 2 * index);
    joinNibbles(s, at + 64 * half + 32 * (quarter & 1), quarter >= 2 ? 4 : 0, unit.components);
    joinCrumbs(s, at + 128 + 32 * half, 2 * quarter, unit.components, 4);
    joinSixes(unit.components);
  },
  IQ4_NL: (s, at, _, unit) => {
    unit.scale = u16(s, at);
    splitNibbles(s, at + 2, unit.components);
  },
  IQ4_XS: (s, at, index, unit) => {
    unit.superScale = u16(s, at);
    const low = s[at + 4 + (index >> 1)]! >> 4 * (index & 1) & 15;
    unit.scale = brainFloat((low | (u16(s, at + 2) >> 2 * index & 3) << 4) - 32);
    splitNibbles(s, at + 8 + 16 * index, unit.components);
  },
  MXFP4: (s, at, _, unit) => {
    // 2 ** (e - 128), which is subnormal for 0 and 1.
    const e = s[at]!;
    unit.scale = e < 2 ? 0x20 << e : e - 1 << 7;
    splitNibbles(s, at + 1, unit.components);
  },
};
