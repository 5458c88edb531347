import type { Device } from "../../gpu/device.ts";
import { sum } from "../../util/numbers.ts";
import { encodeCopyIn, encodeCopyOut, type SlottedCache } from "./cache-copies.ts";

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
    for (const { cache, bytes, begin } of parts) encodeCopyOut(encoder, cache, 0, bytes, buffer, begin);
    for (const { cache, bytes, target, begin } of parts) encodeCopyIn(encoder, cache, target, bytes, buffer, begin);
  }
}
