import type { Device, Resource } from "../gpu/device.ts";
import { defaultVariant, type KernelVariant } from "./kernel-variant.ts";

/** Texels in a row of the textures that hold weights and the KV cache: 64 KiB. */
export const TEXTURE_WIDTH = 4096;
const TEXTURE_ROW_BYTES = 16 * TEXTURE_WIDTH;

/**
 * A device, and the variant of the kernels that runs on it: every kernel is made for both. The variant also says
 * whether data lie in textures or in buffers, so the context allocates them.
 */
export class KernelContext {
  readonly device: Device;
  readonly variant: KernelVariant;

  constructor(device: Device, variant: KernelVariant = defaultVariant(device)) {
    this.device = device;
    this.variant = variant;
  }

  /** The rows that a product multiplies, [rows][k] in float32: zeros. */
  createRows(label: string, rows: number, k: number): Resource {
    if (!this.variant.memory.textures) return this.device.storage(label, rows * k * 4);
    return this.device.texture(label, "rgba32float", k / 4, rows);
  }

  /** The keys or the values of a KV cache, `bytes` bytes: zeros. */
  createCache(label: string, bytes: number): Resource {
    if (!this.variant.memory.textures) return this.device.storage(label, bytes);
    return this.device.texture(label, "rgba32uint", TEXTURE_WIDTH, Math.ceil(bytes / TEXTURE_ROW_BYTES));
  }

  /** A buffer of zeros in which `bytes` bytes of a matrix's words are gathered, for `placeWeights`. */
  createWords(label: string, bytes: number): GPUBuffer {
    if (!this.variant.memory.textures) return this.device.storage(label, bytes);
    const usage = GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    return this.device.buffer(label, Math.ceil(bytes / TEXTURE_ROW_BYTES) * TEXTURE_ROW_BYTES, usage);
  }

  /** Moves a matrix's words to where products read them; the buffer is used up. */
  placeWeights(words: GPUBuffer): Resource {
    if (!this.variant.memory.textures) return words;
    const height = words.size / TEXTURE_ROW_BYTES;
    const texture = this.device.texture(words.label, "rgba32uint", TEXTURE_WIDTH, height);
    const encoder = this.device.encoder();
    const source = { buffer: words, bytesPerRow: TEXTURE_ROW_BYTES };
    encoder.copyBufferToTexture(source, { texture }, [TEXTURE_WIDTH, height]);
    this.device.queue.submit([encoder.finish()]);
    this.device.free([words]);
    return texture;
  }
}
