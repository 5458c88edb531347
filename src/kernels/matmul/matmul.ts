import type { Device, Resource } from "../../gpu/device.ts";
import { shaderText } from "../../gpu/shader-text.ts";
import best from "../argmax-tile.wgsl" with { type: "text" };
import { FORMAT_SOURCES, planeConstants, planesSource } from "../formats/formats.ts";
import { createKernel, type Kernel } from "../kernel.ts";
import { type KernelVariant, TEXTURE_WIDTH } from "../kernel-variant.ts";
import matmul from "./matmul.wgsl" with { type: "text" };
import step from "../step.wgsl" with { type: "text" };
import { tileBytes, type WeightLayout } from "../formats/weight-layout.ts";

/** A weight matrix on a device: `rows` x `columns`, cut by rows where the device's binding limit asks for it. */
export interface Matrix {
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
  readonly layout: WeightLayout;
  readonly parts: readonly MatrixPart[];
}

export interface MatrixPart {
  readonly weights: Resource;
  readonly firstRow: number;
  readonly rows: number;
  readonly tiles: number;
  /** Tiles in the parts before. */
  readonly firstTile: number;
}

/** What becomes of a product: WGSL with `input_scale` and `epilogue`, its constants, and the buffers of bindings 3 and on. */
export interface Epilogue {
  readonly source: string;
  readonly constants: Readonly<Record<string, number | boolean>>;
  readonly buffers: readonly Resource[];
}

/**
 * y = x W^T for 1 to 16 rows of x, or a prefill's; one kernel a part of the matrix. `x` is of `createRows`. With `rows`,
 * the first rows of the matrix alone, rounded up to whole tiles.
 */
export function createMatmul(
  device: Device,
  variant: KernelVariant,
  matrix: Matrix,
  stepBuffer: GPUBuffer,
  x: Resource,
  epilogue: Epilogue,
  rows = matrix.rows,
): Promise<Kernel[]> {
  const tiles = Math.ceil(rows / (4 * variant.rowLanes));
  return Promise.all(
    matrix.parts.filter(({ firstTile }) => firstTile < tiles).map((part) => {
      const codes = Array.from(
        { length: variant.maxColumns },
        (_, i) => matmulText(variant, matrix.layout, part, i + 1, epilogue),
      );
      const width = Math.min(part.tiles, tiles - part.firstTile);
      const weightRows = Math.min(part.rows, width * 4 * variant.rowLanes);
      return createKernel(
        device,
        `matmul ${matrix.name}`,
        codes,
        [stepBuffer, part.weights, x, ...epilogue.buffers],
        width,
        (_, rows) => ({
          bytes: tileBytes(matrix.layout, width),
          multiplyAdds: rows * weightRows * matrix.columns,
        }),
      );
    }),
  );
}

/** The WGSL of one variant. */
export function matmulText(
  variant: KernelVariant,
  layout: WeightLayout,
  part: Pick<MatrixPart, "tiles" | "firstRow" | "firstTile">,
  columns: number,
  epilogue: Pick<Epilogue, "source" | "constants">,
): string {
  const constants = {
    COLUMNS: columns,
    LANES: variant.lanes,
    TEXTURE_WIDTH,
    ...planeConstants(variant, layout, part.tiles),
    ROW_OFFSET: part.firstRow,
    TILE_OFFSET: part.firstTile,
    ...epilogue.constants,
  };
  return shaderText(constants, [
    step,
    best,
    matmul,
    variant.memory.weights,
    variant.memory.rows,
    variant.source,
    planesSource,
    FORMAT_SOURCES[layout.type],
    epilogue.source,
  ]);
}
