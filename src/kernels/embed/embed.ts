import type { Resource } from "../../gpu/device.ts";
import { shaderText } from "../../gpu/shader-text.ts";
import cacheSlot from "../attention/cache-slot.wgsl" with { type: "text" };
import embed from "./embed.wgsl" with { type: "text" };
import { FORMAT_SOURCES, planeConstants, planesSource } from "../formats/formats.ts";
import { tileBytes } from "../formats/weight-layout.ts";
import { createKernel, type Kernel } from "../kernel.ts";
import { type KernelContext, TEXTURE_WIDTH } from "../kernel-context.ts";
import type { Matrix } from "../matmul/matmul.ts";
import stepStruct from "../step.wgsl" with { type: "text" };

/**
 * The look-up of each row's token in `matrix`, [vocabulary][hidden]; one kernel for each part. `resources`: bindings 2
 * and on of embed.wgsl.
 */
export function createEmbed(
  { device, variant }: KernelContext,
  matrix: Matrix,
  step: GPUBuffer,
  branchSlots: number,
  resources: readonly Resource[],
): Promise<Kernel[]> {
  return Promise.all(matrix.parts.map((part) => {
    const constants = {
      HIDDEN: matrix.k,
      OUT_QUADS: matrix.k / 4,
      TEXTURE_WIDTH,
      N_OFFSET: part.firstN,
      N: part.n,
      BRANCH_SLOTS: branchSlots,
      ...planeConstants(variant, matrix.layout, part.tiles),
    };
    const code = shaderText(constants, [
      stepStruct,
      cacheSlot,
      embed,
      variant.memory.weights,
      variant.memory.out,
      planesSource,
      FORMAT_SOURCES[matrix.layout.type],
    ]);
    const width = Math.ceil(matrix.layout.units / 64);
    return createKernel(device, "embed", [code], [step, part.weights, ...resources], width, (_, rows) => ({
      bytes: rows * tileBytes(matrix.layout) / matrix.layout.tileN,
      multiplyAdds: 0,
    }));
  }));
}
