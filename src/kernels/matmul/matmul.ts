import type { Resource } from "../../gpu/device.ts";
import { shaderText } from "../../gpu/shader-text.ts";
import argmaxTile from "../argmax-tile.wgsl" with { type: "text" };
import { FORMAT_SOURCES, planeConstants, planesSource } from "../formats/formats.ts";
import { tileBytes, type WeightLayout } from "../formats/weight-layout.ts";
import { createKernel, type Kernel } from "../kernel.ts";
import { type KernelContext, TEXTURE_WIDTH } from "../kernel-context.ts";
import type { KernelVariant } from "../kernel-variant.ts";
import bias from "./bias.wgsl" with { type: "text" };
import biasNone from "./bias-none.wgsl" with { type: "text" };
import matmul from "./matmul.wgsl" with { type: "text" };
import stepStruct from "../step.wgsl" with { type: "text" };

/** A weight matrix on a device, [n][k], cut along n where the device's binding limit asks for it. */
export interface Matrix {
  readonly name: string;
  readonly n: number;
  readonly k: number;
  readonly layout: WeightLayout;
  readonly parts: readonly MatrixPart[];
  /** What is added to the product, [n] up to the end of the last tile in float32. */
  readonly bias?: Resource;
}

export interface MatrixPart {
  readonly weights: Resource;
  readonly firstN: number;
  /** Weight rows of this part. */
  readonly n: number;
  readonly tiles: number;
  /** Tiles in the parts before. */
  readonly firstTile: number;
}

/**
 * The rest of a product's kernel: WGSL with `input_scale` and `epilogue`, its constants, and the resources of bindings
 * 3 and on, behind which a bias is bound.
 */
export interface Epilogue {
  readonly source: string;
  readonly constants: Readonly<Record<string, number | boolean>>;
  readonly resources: readonly Resource[];
}

/**
 * y = x W^T, plus the bias if there is one, for the rows of a pass, then the epilogue; one kernel for each part of the
 * matrix. `step` is the uniform of step.wgsl, `x` comes from `createRows`. With `n`, the first weight rows alone,
 * rounded up to whole tiles.
 */
export function createMatmul(
  { device, variant }: KernelContext,
  matrix: Matrix,
  step: GPUBuffer,
  x: Resource,
  epilogue: Epilogue,
  n = matrix.n,
): Promise<Kernel[]> {
  const tiles = Math.ceil(n / variant.tileN);
  const resources = [x, ...epilogue.resources, ...matrix.bias ? [matrix.bias] : []];
  const biasBinding = matrix.bias ? 1 + resources.length : null;
  return Promise.all(
    matrix.parts.filter(({ firstTile }) => firstTile < tiles).map((part) => {
      const codes = Array.from(
        { length: variant.maxRows },
        (_, i) => matmulText(variant, matrix.layout, part, i + 1, epilogue, biasBinding),
      );
      const width = Math.min(part.tiles, tiles - part.firstTile);
      const usedN = Math.min(part.n, width * variant.tileN);
      return createKernel(
        device,
        `matmul ${matrix.name}`,
        codes,
        [step, part.weights, ...resources],
        width,
        (_, rows) => ({
          bytes: tileBytes(matrix.layout, width),
          multiplyAdds: rows * usedN * matrix.k,
        }),
      );
    }),
  );
}

/** The WGSL of the pipeline that takes `rows` rows of the pass in a workgroup; without a bias by default. */
export function matmulText(
  variant: KernelVariant,
  layout: WeightLayout,
  part: Pick<MatrixPart, "tiles" | "firstN" | "firstTile">,
  rows: number,
  epilogue: Pick<Epilogue, "source" | "constants">,
  biasBinding: number | null = null,
): string {
  const constants = {
    ROWS: rows,
    INVOCATIONS: variant.invocations,
    TEXTURE_WIDTH,
    ...planeConstants(variant, layout, part.tiles),
    N_OFFSET: part.firstN,
    TILE_OFFSET: part.firstTile,
    ...(biasBinding !== null && { BIAS_BINDING: biasBinding }),
    ...epilogue.constants,
  };
  return shaderText(constants, [
    stepStruct,
    argmaxTile,
    matmul,
    variant.memory.weights,
    variant.memory.rows,
    variant.source,
    planesSource,
    FORMAT_SOURCES[layout.type],
    biasBinding === null ? biasNone : bias,
    epilogue.source,
  ]);
}
