import bf16 from "./bf16.wgsl" with { type: "text" };
import codes from "./codes.wgsl" with { type: "text" };
import f16 from "./f16.wgsl" with { type: "text" };
import f32 from "./f32.wgsl" with { type: "text" };
import iq4_nl from "./iq4_nl.wgsl" with { type: "text" };
import iq4_xs from "./iq4_xs.wgsl" with { type: "text" };
import mxfp4 from "./mxfp4.wgsl" with { type: "text" };
import planes from "./planes.wgsl" with { type: "text" };
import q2_k from "./q2_k.wgsl" with { type: "text" };
import q3_k from "./q3_k.wgsl" with { type: "text" };
import q4_0 from "./q4_0.wgsl" with { type: "text" };
import q4_1 from "./q4_1.wgsl" with { type: "text" };
import q4_k from "./q4_k.wgsl" with { type: "text" };
import q5_0 from "./q5_0.wgsl" with { type: "text" };
import q5_1 from "./q5_1.wgsl" with { type: "text" };
import q5_k from "./q5_k.wgsl" with { type: "text" };
import q6_k from "./q6_k.wgsl" with { type: "text" };
import q8_0 from "./q8_0.wgsl" with { type: "text" };
import type { KernelVariant } from "../kernel-variant.ts";
import type { WeightLayout, WeightType } from "./weight-layout.ts";

/** The WGSL by which a unit's 32 elements come out of their words: load_scales, code, scale, minimum. */
export const FORMAT_SOURCES: Readonly<Record<WeightType, string>> = {
  F32: f32,
  F16: f16,
  BF16: bf16,
  Q4_0: q4_0,
  Q4_1: q4_1,
  Q5_0: q5_0,
  Q5_1: q5_1,
  Q8_0: q8_0,
  Q2_K: q2_k,
  Q3_K: q3_k,
  Q4_K: q4_k,
  Q5_K: q5_k,
  Q6_K: q6_k,
  IQ4_NL: iq4_nl,
  IQ4_XS: iq4_xs,
  MXFP4: mxfp4,
};

/** What all formats read their units by. */
export const planesSource: string = planes + codes;

/** The constants of planes.wgsl and of the formats, for a part of a matrix with `tiles` tiles. */
export function planeConstants(
  variant: KernelVariant,
  layout: WeightLayout,
  tiles: number,
): Record<string, number | boolean> {
  return {
    IN_PLACE: variant.codesInPlace,
    TILE_N: layout.tileN,
    UNITS: layout.units,
    REBIASED: layout.rebiased,
    EXPANDED: layout.expanded,
    UNIT_WORDS: layout.words,
    FIRST_WORDS: layout.firstWords,
    SCALES_AT: tiles * layout.quantWords,
    SUPERS_AT: tiles * (layout.quantWords + layout.scaleWords),
  };
}
