import type { Device, Resource } from "../../gpu/device.ts";
import { sum } from "../../util/numbers.ts";
import { TEXTURE_WIDTH } from "../kernel-context.ts";

/** A cache of positions, and the bytes that one takes in it. */
export interface SlottedCache {
  readonly cache: Resource;
  readonly slotBytes: number;
}

/** The branch slots of caches, and their copy into the main sequence; see cache-slot.wgsl. */
export class BranchSlots {
  /** Positions that a branch can take. */
  readonly count: number;
  readonly #caches: readonly SlottedCache[];
  /** Slots go by way of this buffer, since nothing can be copied within a buffer or a texture. */
  readonly #between: GPUBuffer;

  /** The first `count` slots of each of `caches` are branch slots. */
  constructor(device: Device, caches: readonly SlottedCache[], count: number) {
    this.count = count;
    this.#caches = caches;
    const usage = GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    this.#between = device.buffer("branch slots", count * sum(caches.map(({ slotBytes }) => slotBytes)), usage);
  }

  /** Copies the first `count` branch slots to positions `fork` and on of the main sequence. */
  encodeKeep(encoder: GPUCommandEncoder, fork: number, count: number): void {
    const buffer = this.#between;
    let begin = 0;
    const parts = this.#caches.map(({ cache, slotBytes }) => {
      const part = { cache, bytes: count * slotBytes, target: (this.count + fork) * slotBytes, begin };
      begin += part.bytes;
      return part;
    });
    for (const { cache, bytes, begin } of parts) {
      copyRun(cache, 0, bytes, (at, size, origin) => {
        const offset = begin + at;
        if ("mapState" in cache) encoder.copyBufferToBuffer(cache, at, buffer, offset, size);
        else encoder.copyTextureToBuffer({ texture: cache, origin }, { buffer, offset }, [size / 16, 1]);
      });
    }
    for (const { cache, bytes, target, begin } of parts) {
      copyRun(cache, target, bytes, (at, size, origin) => {
        const offset = begin + at - target;
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
