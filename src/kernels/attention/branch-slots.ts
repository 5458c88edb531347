import type { Device, Resource } from "../../gpu/device.ts";
import { TEXTURE_WIDTH } from "../kernel-context.ts";

/** The branch slots of KV caches, and their copy into the main sequence; see cache-slot.wgsl. */
export class BranchSlots {
  /** Positions that a branch can take. */
  readonly count: number;
  readonly #caches: readonly Resource[];
  readonly #slotBytes: number;
  /** Slots go by way of this buffer, since nothing can be copied within a buffer or a texture. */
  readonly #between: GPUBuffer;

  /** The first `count` slots of each of `caches` are branch slots; a slot takes `slotBytes` bytes. */
  constructor(device: Device, caches: readonly Resource[], count: number, slotBytes: number) {
    this.count = count;
    this.#caches = caches;
    this.#slotBytes = slotBytes;
    const usage = GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    this.#between = device.buffer("branch slots", caches.length * count * slotBytes, usage);
  }

  /** Copies the first `count` branch slots to positions `fork` and on of the main sequence. */
  encodeKeep(encoder: GPUCommandEncoder, fork: number, count: number): void {
    const bytes = count * this.#slotBytes;
    const buffer = this.#between;
    for (const [i, cache] of this.#caches.entries()) {
      copyRun(cache, 0, bytes, (at, size, origin) => {
        const offset = i * bytes + at;
        if ("mapState" in cache) encoder.copyBufferToBuffer(cache, at, buffer, offset, size);
        else encoder.copyTextureToBuffer({ texture: cache, origin }, { buffer, offset }, [size / 16, 1]);
      });
    }
    const target = (this.count + fork) * this.#slotBytes;
    for (const [i, cache] of this.#caches.entries()) {
      copyRun(cache, target, bytes, (at, size, origin) => {
        const offset = i * bytes + at - target;
        if ("mapState" in cache) encoder.copyBufferToBuffer(buffer, offset, cache, at, size);
        else encoder.copyBufferToTexture({ buffer, offset }, { texture: cache, origin }, [size / 16, 1]);
      });
    }
  }
}

/** Calls `copy` for each part of `bytes` bytes at `from` that lies in one texel row of a texture; once for a buffer. */
function copyRun(
  cache: Resource,
  from: number,
  bytes: number,
  copy: (at: number, size: number, origin: [x: number, y: number]) => void,
): void {
  const rowBytes = "mapState" in cache ? Infinity : 16 * TEXTURE_WIDTH;
  for (let at = from; at < from + bytes;) {
    const size = Math.min(from + bytes - at, rowBytes - at % rowBytes);
    copy(at, size, [at % rowBytes / 16, Math.floor(at / rowBytes)]);
    at += size;
  }
}
