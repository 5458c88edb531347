import type { Device, Resource } from "../../gpu/device.ts";
import { TEXTURE_WIDTH } from "../kernel-variant.ts";

/** Copies a branch from the strip of key-value caches into their trunk; see cache-slot.wgsl. */
export class BranchSlots {
  readonly slots: number;
  readonly #caches: readonly Resource[];
  readonly #slotBytes: number;
  /** Nothing can be copied within a buffer or a texture. */
  readonly #between: GPUBuffer;

  /** Of `caches`, whose slots take `slotBytes` bytes each, the first `slots` are the strip. */
  constructor(device: Device, caches: readonly Resource[], slots: number, slotBytes: number) {
    this.slots = slots;
    this.#caches = caches;
    this.#slotBytes = slotBytes;
    const usage = GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    this.#between = device.buffer("strip", caches.length * slots * slotBytes, usage);
  }

  /** The strip's first `count` slots to positions `fork` and on. */
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
    const target = (this.slots + fork) * this.#slotBytes;
    for (const [i, cache] of this.#caches.entries()) {
      copyRun(cache, target, bytes, (at, size, origin) => {
        const offset = i * bytes + at - target;
        if ("mapState" in cache) encoder.copyBufferToBuffer(buffer, offset, cache, at, size);
        else encoder.copyBufferToTexture({ buffer, offset }, { texture: cache, origin }, [size / 16, 1]);
      });
    }
  }
}

/** Calls `copy` for each part of `bytes` bytes at `from` that lies in one row of a texture; once for a buffer. */
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
