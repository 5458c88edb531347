import type { Device } from "../../gpu/device.ts";
import { shaderText } from "../../gpu/shader-text.ts";
import type { Sampling } from "../../util/sampling.ts";
import { tileConstants } from "./argmax.ts";
import argmaxTile from "../argmax-tile.wgsl" with { type: "text" };
import gumbel from "./gumbel.wgsl" with { type: "text" };
import { createKernel, type Kernel } from "../kernel.ts";
import type { KernelContext } from "../kernel-context.ts";
import samplingStruct from "./sampling.wgsl" with { type: "text" };
import stepStruct from "../step.wgsl" with { type: "text" };
import topKTopP from "./top-k-top-p.wgsl" with { type: "text" };

/** The buffers that a choice works on; `rows` rows at most. */
export interface ChoiceBuffers {
  readonly rows: number;
  readonly vocabulary: number;
  readonly step: GPUBuffer;
  /** The tokens of a pass. */
  readonly tokens: GPUBuffer;
  /** The token in each slot of the KV cache, of which the first `branchSlots` are a branch's. */
  readonly history: GPUBuffer;
  readonly branchSlots: number;
  /** Logits and tiles as epilogue-logits.wgsl leaves them. */
  readonly logits: GPUBuffer;
  readonly argmaxTiles: GPUBuffer;
  /** The tokens that argmax chose. */
  readonly chosen: GPUBuffer;
}

/** Those of them that a sampler works on. */
type SamplerBuffers = Pick<ChoiceBuffers, "rows" | "vocabulary" | "step" | "logits" | "argmaxTiles">;

/** The kernels of a sampler, without filters and with them. */
interface SamplerKernels {
  readonly plain: readonly Kernel[];
  readonly filtered: readonly Kernel[];
}

/** Turns logits into scores, and the tiles' best logits into their best scores, for argmax to choose by. */
export class Sampler {
  readonly #device: Device;
  /** A `Sampling` (sampling.wgsl). */
  readonly uniform: GPUBuffer;
  /** A `Cutoff` for each row, where there are filters. */
  readonly cutoffs: GPUBuffer;
  readonly #kernels: SamplerKernels;
  #written: Sampling | undefined;

  private constructor(device: Device, uniform: GPUBuffer, cutoffs: GPUBuffer, kernels: SamplerKernels) {
    this.#device = device;
    this.uniform = uniform;
    this.cutoffs = cutoffs;
    this.#kernels = kernels;
  }

  static async create({ device, variant }: KernelContext, input: SamplerBuffers): Promise<Sampler> {
    const { rows, vocabulary, step, logits, argmaxTiles } = input;
    const uniform = device.buffer("sampling", 24, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
    const cutoffs = device.storage("cutoffs", rows * 12);
    const constants = tileConstants(variant, vocabulary);
    const common = [stepStruct, samplingStruct, argmaxTile];
    // Barriers are dear on a software adapter, but for those of one subgroup.
    const invocations = variant.kind === "subgroup" ? variant.invocations : 256;
    const filter = await createKernel(
      device,
      "top-k top-p",
      [shaderText({ ...constants, INVOCATIONS: invocations }, [...common, topKTopP])],
      [step, uniform, logits, argmaxTiles, cutoffs],
      1,
    );
    const score = await createKernel(
      device,
      "gumbel",
      [shaderText(constants, [...common, gumbel])],
      [step, uniform, cutoffs, logits, argmaxTiles],
      Math.ceil(constants.TILES / 64),
    );
    return new Sampler(device, uniform, cutoffs, { plain: [score], filtered: [filter, score] });
  }

  /**
   * The kernels to run between the output product and argmax, of which the last one changes the logits; the same array
   * for all samplings that need the same.
   */
  kernels(sampling: Sampling): readonly Kernel[] {
    return hasFilters(sampling) ? this.#kernels.filtered : this.#kernels.plain;
  }

  /** Writes what the kernels need in the submissions to come. */
  write(sampling: Sampling): void {
    if (this.#written === sampling) return;
    this.#written = sampling;
    const { temperature, topK, topP, minP, seed } = sampling;
    const data = new DataView(new ArrayBuffer(this.uniform.size));
    // A temperature below 1e-30 is argmax, and a larger factor could make an infinity of a logit.
    data.setFloat32(0, Math.min(1 / temperature, 1e30), true);
    data.setUint32(4, seed, true);
    data.setUint32(8, Number(hasFilters(sampling)), true);
    data.setUint32(12, topK, true);
    data.setFloat32(16, topP, true);
    data.setFloat32(20, Math.max(Math.log(minP), -1e38), true);
    this.#device.queue.writeBuffer(this.uniform, 0, data.buffer);
  }
}

function hasFilters({ topK, topP, minP }: Sampling): boolean {
  return topK > 0 || topP < 1 || minP > 0;
}
