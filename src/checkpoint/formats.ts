import { PACKINGS, type WeightType } from "../kernels/formats/weight-layout.ts";

/** The formats of tensors that run here, by ggml's names. */
export type TensorType = WeightType;

/** The numbers of the formats in a GGUF file: `enum ggml_type` of ggml.h. */
const IDS: Readonly<Record<TensorType, number>> = {
  F32: 0,
  F16: 1,
  BF16: 30,
  Q4_0: 2,
  Q4_1: 3,
  Q5_0: 6,
  Q5_1: 7,
  Q8_0: 8,
  Q2_K: 10,
  Q3_K: 11,
  Q4_K: 12,
  Q5_K: 13,
  Q6_K: 14,
  IQ4_NL: 20,
  IQ4_XS: 23,
  MXFP4: 39,
};

export interface TensorFormat {
  /** The format's number in a GGUF file. */
  readonly id: number;
  /** The elements of a block; 1 for formats without blocks. */
  readonly blockElements: number;
  /** The size of a block in bytes. */
  readonly blockBytes: number;
}

/** The formats by their names. */
export const FORMATS: Readonly<Record<TensorType, TensorFormat>> = Object.fromEntries(
  Object.entries(PACKINGS).map(([type, { elements, bytes }]) => [
    type,
    { id: IDS[type as TensorType], blockElements: elements, blockBytes: bytes },
  ]),
) as Readonly<Record<TensorType, TensorFormat>>;

/** The names of ggml's other formats, for errors. Numbers that ggml has given up are missing. */
const UNSUPPORTED: Readonly<Record<number, string>> = {
  9: "Q8_1",
  15: "Q8_K",
  16: "IQ2_XXS",
  17: "IQ2_XS",
  18: "IQ3_XXS",
  19: "IQ1_S",
  21: "IQ3_S",
  22: "IQ2_S",
  24: "I8",
  25: "I16",
  26: "I32",
  27: "I64",
  28: "F64",
  29: "IQ1_M",
  34: "TQ1_0",
  35: "TQ2_0",
  40: "NVFP4",
  41: "Q1_0",
};

const BY_ID = new Map(Object.entries(FORMATS).map(([type, { id }]) => [id, type as TensorType]));

/** The format with this number in a GGUF file, or `undefined` where the format doesn't run here. */
export function typeOfId(id: number): TensorType | undefined {
  return BY_ID.get(id);
}

/** A format's name and number as errors show them, such as "IQ2_XS (17)". */
export function describeTypeId(id: number): string {
  return `${BY_ID.get(id) ?? UNSUPPORTED[id] ?? "unknown"} (${id})`;
}
