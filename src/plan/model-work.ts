import { packedBytes, PACKINGS, type WeightType } from "../kernels/formats/weight-layout.ts";
import type { ModelWork } from "./hardware-spec.ts";

/** The figures of a Llama from which its matrices follow, as config.json has them. */
export interface ModelShape {
  readonly layers: number;
  readonly hidden: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
  readonly feedForward: number;
  readonly vocabulary: number;
}

/** Shapes from the models' own config.json, by name. */
const SHAPES: Readonly<Record<string, ModelShape>> = {
  "smollm2-135m": shape(30, 576, 9, 3, 64, 1536, 49_152),
  "smollm2-360m": shape(32, 960, 15, 5, 64, 2560, 49_152),
  "tinyllama-1.1b": shape(22, 2048, 32, 4, 64, 5632, 32_000),
  "llama-3.2-1b": shape(16, 2048, 32, 8, 64, 8192, 128_256),
  "llama-3.2-3b": shape(28, 3072, 24, 8, 128, 8192, 128_256),
  "llama-3.1-8b": shape(32, 4096, 32, 8, 128, 14_336, 128_256),
  "llama-3.1-70b": shape(80, 8192, 64, 8, 128, 28_672, 128_256),
};

function shape(
  layers: number,
  hidden: number,
  heads: number,
  kvHeads: number,
  headSize: number,
  feedForward: number,
  vocabulary: number,
): ModelShape {
  return { layers, hidden, heads, kvHeads, headSize, feedForward, vocabulary };
}

export const SHAPE_NAMES: readonly string[] = Object.keys(SHAPES);

/** The shape of that name, if it is known. */
export function shapeOf(name: string): ModelShape | undefined {
  return Object.hasOwn(SHAPES, name) ? SHAPES[name] : undefined;
}

/** Bytes of an element in an f16 cache. */
const CACHE_BYTES = 2;

/** The work of a model of that shape, with an f16 cache and the kernels' five dispatches a layer. */
export function workOf(name: string, shape: ModelShape, weightBytes: number): ModelWork {
  const { layers, hidden, heads, kvHeads, headSize, feedForward, vocabulary } = shape;
  const attention = 2 * hidden * headSize * (heads + kvHeads);
  return {
    name,
    weightBytes,
    multiplyAdds: layers * (attention + 3 * hidden * feedForward) + hidden * vocabulary,
    cacheBytes: 2 * layers * kvHeads * headSize * CACHE_BYTES,
    dispatches: 5 * layers + 3,
  };
}

/** The work of a model by its name, as "llama-3.1-8b:q4_k": a known shape, and one format for all weights, by default
 * f16. Null where the name is no such one. */
export function namedModel(name: string): ModelWork | null {
  const [shapeName = "", format = "f16"] = name.toLowerCase().split(":");
  const shape = shapeOf(shapeName);
  // A mix such as q4_k_m counts as its main format, which is a little less.
  const type = format.replace(/_[sml]$/, "").toUpperCase();
  if (!shape || !Object.hasOwn(PACKINGS, type)) return null;
  const weights = workOf(name, shape, 0).multiplyAdds;
  const { elements } = PACKINGS[type as WeightType];
  return workOf(name, shape, packedBytes(type as WeightType, elements) / elements * weights);
}
