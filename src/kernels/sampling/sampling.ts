import type { Sampling } from "../../util/sampling.ts";
import type { Device } from "../../gpu/device.ts";
import { shaderText } from "../../gpu/shader-text.ts";
import { tileConstants } from "./argmax.ts";
import best from "../argmax-tile.wgsl" with { type: "text" };
import cut from "./top-k-top-p.wgsl" with { type: "text" };
import { createKernel, type Kernel } from "../kernel.ts";
import type { KernelVariant } from "../kernel-variant.ts";
import noise from "./gumbel.wgsl" with { type: "text" };
import samplingStruct from "./sampling.wgsl" with { type: "text" };
import step from "../step.wgsl" with { type: "text" };

/** What a sampler works on, as epilogue-logits.wgsl leaves it; `rows` rows at most. */
export interface SamplerInput {
  readonly rows: number;
  readonly vocabulary: number;
  readonly step: GPUBuffer;
  readonly logits: GPUBuffer;
  readonly bests: GPUBuffer;
}

/** Turns logits into scores and their tiles' bests into those of the scores, for argmax to choose by. */
export class Sampler {
  readonly #device: Device;
  readonly #uniform: GPUBuffer;
  readonly #cut: Kernel;
  readonly #noise: Kernel;
  #written: Sampling | undefined;

  private constructor(device: Device, uniform: GPUBuffer, cut: Kernel, noise: Kernel) {
    this.#device = device;
    this.#uniform = uniform;
    this.#cut = cut;
    this.#noise = noise;
  }

  static async create(device: Device, variant: KernelVariant, input: SamplerInput): Promise<Sampler> {
    const { rows, vocabulary, logits, bests } = input;
    const uniform = device.buffer("sampling", 24, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
    const cuts = device.storage("cuts", rows * 12);
    const constants = tileConstants(variant, vocabulary);
    const common = [step, samplingStruct, best];
    // A software adapter's barriers are dear, but for one subgroup.
    const cutLanes = variant.kind === "subgroup" ? variant.lanes : 256;
    const cutCode = shaderText({ ...constants, LANES: cutLanes }, [...common, cut]);
    const noiseCode = shaderText(constants, [...common, noise]);
    return new Sampler(
      device,
      uniform,
      await createKernel(device, "cut", [cutCode], [input.step, uniform, logits, bests, cuts], 1),
      await createKernel(
        device,
        "noise",
        [noiseCode],
        [input.step, uniform, cuts, logits, bests],
        Math.ceil(constants.TILES / 64),
      ),
    );
  }

  /** What to run between the output product and argmax. */
  kernels(sampling: Sampling): readonly Kernel[] {
    return hasFilters(sampling) ? [this.#cut, this.#noise] : [this.#noise];
  }

  /** Writes what they need in the submissions to come. */
  write(sampling: Sampling): void {
    if (this.#written === sampling) return;
    this.#written = sampling;
    const { temperature, topK, topP, minP, seed } = sampling;
    const data = new DataView(new ArrayBuffer(this.#uniform.size));
    // So low a temperature is argmax, and a larger factor could make an infinity of a logit.
    data.setFloat32(0, Math.min(1 / temperature, 1e30), true);
    data.setUint32(4, seed, true);
    data.setUint32(8, Number(hasFilters(sampling)), true);
    data.setUint32(12, topK, true);
    data.setFloat32(16, topP, true);
    data.setFloat32(20, Math.max(Math.log(minP), -1e38), true);
    this.#device.queue.writeBuffer(this.#uniform, 0, data.buffer);
  }
}

function hasFilters({ topK, topP, minP }: Sampling): boolean {
  return topK > 0 || topP < 1 || minP > 0;
}
