import type { Device } from "../gpu/device.ts";
import { shaderText } from "../gpu/shader-text.ts";
import argmax from "./argmax.wgsl" with { type: "text" };
import { createKernel, type Kernel } from "./kernel.ts";
import step from "./step.wgsl" with { type: "text" };

/** Chooses each row's token from its `tiles` bests. `buffers`: step, bests, chosen, tokens (bindings 0 to 3). */
export function createArgmax(device: Device, tiles: number, buffers: readonly GPUBuffer[]): Promise<Kernel> {
  return createKernel(device, "argmax", [shaderText({ TILES: tiles }, [step, argmax])], buffers, 1, (_, rows) => ({
    bytes: rows * tiles * 8,
    multiplyAdds: 0,
  }));
}
