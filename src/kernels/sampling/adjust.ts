import type { Device } from "../../gpu/device.ts";
import { shaderText } from "../../gpu/shader-text.ts";
import type { Adjustments } from "../../util/sampling.ts";
import argmaxTile from "../argmax-tile.wgsl" with { type: "text" };
import cacheSlot from "../attention/cache-slot.wgsl" with { type: "text" };
import { createKernel, type Kernel } from "../kernel.ts";
import type { KernelContext } from "../kernel-context.ts";
import stepStruct from "../step.wgsl" with { type: "text" };
import adjust from "./adjust.wgsl" with { type: "text" };
import { tileConstants } from "./argmax.ts";
import type { ChoiceBuffers } from "./sampling.ts";
import tiles from "./tiles.wgsl" with { type: "text" };

/** The most tokens with a bias. */
export const MAX_BIASES = 4096;

/** Bytes of adjust.wgsl's Adjustments and Bias. */
const ADJUSTMENTS_BYTES = 24;
const BIAS_BYTES = 8;
const WHOLE_TEXT = 2 ** 32 - 1;

/** Changes logits by what a request says of tokens, and by the text. */
export class Adjuster {
  /** The kernels to run right behind the output product. */
  readonly kernels: readonly Kernel[];
  readonly #device: Device;
  readonly #uniform: GPUBuffer;
  readonly #biases: GPUBuffer;
  #written: Adjustments | undefined;

  private constructor(device: Device, uniform: GPUBuffer, biases: GPUBuffer, kernels: readonly Kernel[]) {
    this.#device = device;
    this.#uniform = uniform;
    this.#biases = biases;
    this.kernels = kernels;
  }

  static async create({ device, variant }: KernelContext, buffers: ChoiceBuffers): Promise<Adjuster> {
    const { rows, vocabulary, step, history, branchSlots, logits, argmaxTiles } = buffers;
    const uniform = device.buffer("adjustments", ADJUSTMENTS_BYTES, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
    const biases = device.storage("biases", MAX_BIASES * BIAS_BYTES);
    const counts = device.storage("counts", rows * vocabulary * 4);
    const constants = tileConstants(variant, vocabulary);
    // Barriers are dear on a software adapter, but for those of one subgroup.
    const invocations = variant.kind === "subgroup" ? variant.invocations : 256;
    const change = await createKernel(
      device,
      "adjust",
      [shaderText({ ...constants, INVOCATIONS: invocations, BRANCH_SLOTS: branchSlots }, [
        stepStruct,
        argmaxTile,
        cacheSlot,
        adjust,
      ])],
      [step, uniform, history, biases, logits, counts],
      1,
    );
    const best = await createKernel(
      device,
      "tiles",
      [shaderText(constants, [argmaxTile, tiles])],
      [logits, argmaxTiles],
      Math.ceil(constants.TILES / 64),
    );
    return new Adjuster(device, uniform, biases, [change, best]);
  }

  /** Writes what the kernels need in the submissions to come. Throws a RangeError for too many biases. */
  write(adjustments: Adjustments): void {
    if (this.#written === adjustments) return;
    const { biases, window, countedFrom, repetition, presence, frequency } = adjustments;
    if (biases.length > MAX_BIASES) {
      throw new RangeError(`Cannot bias ${biases.length} tokens: at most ${MAX_BIASES} may have one`);
    }
    this.#written = adjustments;
    const data = new DataView(new ArrayBuffer(ADJUSTMENTS_BYTES));
    data.setUint32(0, biases.length, true);
    data.setUint32(4, Math.min(window ?? WHOLE_TEXT, WHOLE_TEXT), true);
    data.setUint32(8, countedFrom, true);
    data.setFloat32(12, repetition, true);
    data.setFloat32(16, presence, true);
    data.setFloat32(20, frequency, true);
    this.#device.queue.writeBuffer(this.#uniform, 0, data.buffer);
    if (biases.length === 0) return;
    const list = new DataView(new ArrayBuffer(biases.length * BIAS_BYTES));
    for (const [i, [token, bias]] of biases.entries()) {
      list.setUint32(i * BIAS_BYTES, token, true);
      list.setFloat32(i * BIAS_BYTES + 4, Math.max(bias, LOWEST), true);
    }
    this.#device.queue.writeBuffer(this.#biases, 0, list.buffer);
  }
}

/** LOWEST of argmax-tile.wgsl: a token with this bias is never chosen. */
const LOWEST = Math.fround(-3.4028234e38);
