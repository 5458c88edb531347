import type { Device, Resource } from "../../gpu/device.ts";
import { shaderText } from "../../gpu/shader-text.ts";
import embed from "./embed.wgsl" with { type: "text" };
import { FORMAT_SOURCES, planeConstants, planesSource } from "../formats/formats.ts";
import { createKernel, type Kernel } from "../kernel.ts";
import { type KernelVariant, TEXTURE_WIDTH } from "../kernel-variant.ts";
import type { Matrix } from "../matmul/matmul.ts";
import step from "../step.wgsl" with { type: "text" };
import { tileBytes } from "../formats/weight-layout.ts";

/** The look-up of each row's token in `matrix` (vocabulary x hidden); one kernel a part. `buffers`: bindings 2 and on of embed.wgsl. */
export function createEmbed(
  device: Device,
  variant: KernelVariant,
  matrix: Matrix,
  stepBuffer: GPUBuffer,
  buffers: readonly Resource[],
): Promise<Kernel[]> {
  return Promise.all(matrix.parts.map((part) => {
    const constants = {
      HIDDEN: matrix.columns,
      OUT_QUADS: matrix.columns / 4,
      TEXTURE_WIDTH,
      ROW_LANES: matrix.layout.rowLanes,
      ROW_OFFSET: part.firstRow,
      ROWS: part.rows,
      ...planeConstants(variant, matrix.layout, part.tiles),
    };
    const code = shaderText(constants, [
      step,
      embed,
      variant.memory.weights,
      variant.memory.out,
      planesSource,
      FORMAT_SOURCES[matrix.layout.type],
    ]);
    const width = Math.ceil(matrix.layout.units / 64);
    return createKernel(device, "embed", [code], [stepBuffer, part.weights, ...buffers], width, (_, rows) => ({
      bytes: rows * tileBytes(matrix.layout) / (4 * matrix.layout.rowLanes),
      multiplyAdds: 0,
    }));
  }));
}
