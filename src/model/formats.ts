/** The formats of tensors that run here, by ggml's names. */
export type TensorType = "F32" | "F16" | "BF16" | "Q4_0" | "Q4_1" | "Q8_0" | "Q4_K" | "Q5_K" | "Q6_K";

export interface TensorFormat {
  /** Its number in a GGUF file: `enum ggml_type` of ggml.h. */
  readonly id: number;
  readonly blockElements: number;
  readonly blockBytes: number;
}

/** Sizes: the `block_*` structs of ggml-common.h. */
export const FORMATS: Readonly<Record<TensorType, TensorFormat>> = {
  F32: { id: 0, blockElements: 1, blockBytes: 4 },
  F16: { id: 1, blockElements: 1, blockBytes: 2 },
  BF16: { id: 30, blockElements: 1, blockBytes: 2 },
  Q4_0: { id: 2, blockElements: 32, blockBytes: 18 },
  Q4_1: { id: 3, blockElements: 32, blockBytes: 20 },
  Q8_0: { id: 8, blockElements: 32, blockBytes: 34 },
  Q4_K: { id: 12, blockElements: 256, blockBytes: 144 },
  Q5_K: { id: 13, blockElements: 256, blockBytes: 176 },
  Q6_K: { id: 14, blockElements: 256, blockBytes: 210 },
};

/** What else ggml has, for errors; those numbers that it gave up are missing. */
const UNSUPPORTED: Readonly<Record<number, string>> = {
  6: "Q5_0",
  7: "Q5_1",
  9: "Q8_1",
  10: "Q2_K",
  11: "Q3_K",
  15: "Q8_K",
  16: "IQ2_XXS",
  17: "IQ2_XS",
  18: "IQ3_XXS",
  19: "IQ1_S",
  20: "IQ4_NL",
  21: "IQ3_S",
  22: "IQ2_S",
  23: "IQ4_XS",
  24: "I8",
  25: "I16",
  26: "I32",
  27: "I64",
  28: "F64",
  29: "IQ1_M",
  34: "TQ1_0",
  35: "TQ2_0",
  39: "MXFP4",
};

const BY_ID = new Map(Object.entries(FORMATS).map(([type, { id }]) => [id, type as TensorType]));

/** The format of this number in a GGUF file, or `undefined` where it doesn't run here. */
export function typeOfId(id: number): TensorType | undefined {
  return BY_ID.get(id);
}

/** "IQ2_XS (17)", for errors. */
export function describeTypeId(id: number): string {
  return `${BY_ID.get(id) ?? UNSUPPORTED[id] ?? "unknown"} (${id})`;
}
