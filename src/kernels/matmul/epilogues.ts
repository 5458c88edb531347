import type { Resource } from "../../gpu/device.ts";
import { CACHE_SOURCES, qkvConstants, type QkvShape } from "../attention/attention.ts";
import ropeSource from "../attention/rope.wgsl" with { type: "text" };
import type { KernelContext } from "../kernel-context.ts";
import { tileConstants } from "../sampling/argmax.ts";
import epilogueGate from "./epilogue-gate.wgsl" with { type: "text" };
import epilogueLogits from "./epilogue-logits.wgsl" with { type: "text" };
import epilogueQkv from "./epilogue-qkv.wgsl" with { type: "text" };
import epilogueResidual from "./epilogue-residual.wgsl" with { type: "text" };
import epilogueSwiglu from "./epilogue-swiglu.wgsl" with { type: "text" };
import epilogueUp from "./epilogue-up.wgsl" with { type: "text" };
import lackingSource from "./lacking.wgsl" with { type: "text" };
import type { Epilogue } from "./matmul.ts";
import rmsSource from "./rms.wgsl" with { type: "text" };

/** The RMSNorm before a product (arXiv 1910.07467), over `hidden` elements of each row. */
export interface Rms {
  readonly hidden: number;
  readonly epsilon: number;
  /** Each tile's sum of squares, as `residualEpilogue` and the embedding leave it: [rows][hidden / tileN]. */
  readonly squares: Resource;
}

const rmsConstants = ({ hidden, epsilon }: Rms) => ({ HIDDEN: hidden, RMS_EPSILON: epsilon });

/** Turns queries and keys, and writes keys and values into a KV cache; see epilogue-qkv.wgsl. */
export function qkvEpilogue(
  { variant }: KernelContext,
  rms: Rms,
  shape: QkvShape,
  out: {
    /** The table of `ropeTable`, [position][headSize]. */
    readonly rope: Resource;
    /** [rows][heads * headSize] in float32; with `qkNorms` [rows][(heads + kvHeads) * headSize], keys and all. */
    readonly queries: Resource;
    readonly keys: Resource;
    readonly values: Resource;
  },
): Epilogue {
  return {
    source: CACHE_SOURCES[shape.kvCache] + variant.memory.cacheWrite + rmsSource + ropeSource + epilogueQkv,
    constants: { ...rmsConstants(rms), ...qkvConstants(shape), QK_NORMS: shape.qkNorms },
    resources: [rms.squares, out.rope, out.queries, out.keys, out.values],
  };
}

/** Adds to the residual stream and prepares the next RMSNorm; see epilogue-residual.wgsl. */
export function residualEpilogue(
  { variant }: KernelContext,
  hidden: number,
  out: {
    /** The weights of the next RMSNorm, [hidden]. */
    readonly norm: Resource;
    /** residual * norm, for the next product: of `createRows`, [rows][hidden]. */
    readonly weighted: Resource;
    /** [rows][hidden] in float32. */
    readonly residual: Resource;
    /** [rows][hidden / tileN] in float32. */
    readonly squares: Resource;
  },
): Epilogue {
  return {
    source: variant.memory.out + epilogueResidual,
    constants: { HIDDEN: hidden, OUT_QUADS: hidden / 4 },
    resources: [out.norm, out.weighted, out.residual, out.squares],
  };
}

/** Makes silu(gate) * up of alternating gates and ups, into `activation` (of `createRows`, [rows][feedForward]). */
export function swigluEpilogue(
  { variant }: KernelContext,
  rms: Rms,
  feedForward: number,
  activation: Resource,
): Epilogue {
  return {
    source: variant.memory.out + rmsSource + epilogueSwiglu,
    constants: { ...rmsConstants(rms), FEED_FORWARD: feedForward, OUT_QUADS: feedForward / 4 },
    resources: [rms.squares, activation],
  };
}

/**
 * The same of gates and ups in two matrices, one product after the other; the first leaves `gates` (float32,
 * [rows][feedForward]) for the second.
 */
export function gateAndUpEpilogues(
  { variant }: KernelContext,
  rms: Rms,
  feedForward: number,
  gates: Resource,
  activation: Resource,
): [gate: Epilogue, up: Epilogue] {
  const constants = { ...rmsConstants(rms), FEED_FORWARD: feedForward, OUT_QUADS: feedForward / 4 };
  return [
    { source: rmsSource + epilogueGate, constants, resources: [rms.squares, gates] },
    { source: variant.memory.out + rmsSource + epilogueUp, constants, resources: [rms.squares, activation, gates] },
  ];
}

/**
 * Writes the logits [rows][vocabulary], and each tile's best token into `argmaxTiles` (of `createArgmaxTiles`). Tokens
 * of which `lacking` has a bit, token t's at t % 32 of word t / 32, are never the best.
 */
export function logitsEpilogue(
  { variant }: KernelContext,
  rms: Rms,
  vocabulary: number,
  out: { readonly logits: Resource; readonly argmaxTiles: Resource },
  lacking?: Resource,
): Epilogue {
  const logitsOf = lacking
    ? lackingSource
    : "fn logits_of(products: vec4f, token: u32) -> vec4f { return products; }\n";
  return {
    source: rmsSource + logitsOf + epilogueLogits,
    constants: { ...rmsConstants(rms), ...tileConstants(variant, vocabulary) },
    resources: [rms.squares, out.logits, out.argmaxTiles, ...lacking ? [lacking] : []],
  };
}
