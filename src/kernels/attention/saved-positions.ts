import type { Device } from "../../gpu/device.ts";
import { encodeCopyIn, encodeCopyOut, type SlottedCache } from "./cache-copies.ts";

/** The first positions of caches' main sequence, copied to buffers beside the caches. */
export class SavedPositions {
  /** How many positions there are. */
  readonly count: number;
  readonly #device: Device;
  readonly #caches: readonly SlottedCache[];
  readonly #branchSlots: number;
  /** One for each cache. */
  readonly #buffers: readonly GPUBuffer[];

  private constructor(
    device: Device,
    caches: readonly SlottedCache[],
    branchSlots: number,
    count: number,
    buffers: readonly GPUBuffer[],
  ) {
    this.count = count;
    this.#device = device;
    this.#caches = caches;
    this.#branchSlots = branchSlots;
    this.#buffers = buffers;
  }

  /**
   * Makes room for the first `count` positions behind `branchSlots` slots of each of `caches`; null where the device
   * has no memory for them.
   */
  static async allocate(
    device: Device,
    caches: readonly SlottedCache[],
    branchSlots: number,
    count: number,
  ): Promise<SavedPositions | null> {
    const buffers = await device.tryBuffers(
      "saved positions",
      caches.map(({ slotBytes }) => count * slotBytes),
      GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
    );
    return buffers && new SavedPositions(device, caches, branchSlots, count, buffers);
  }

  /** Copies them from the caches. */
  encodeSave(encoder: GPUCommandEncoder): void {
    this.#caches.forEach(({ cache, slotBytes }, i) =>
      encodeCopyOut(encoder, cache, this.#branchSlots * slotBytes, this.count * slotBytes, this.#buffers[i]!, 0)
    );
  }

  /** Copies the first `count` of them back. */
  encodeRestore(encoder: GPUCommandEncoder, count: number): void {
    this.#caches.forEach(({ cache, slotBytes }, i) =>
      encodeCopyIn(encoder, cache, this.#branchSlots * slotBytes, count * slotBytes, this.#buffers[i]!, 0)
    );
  }

  /** Frees the buffers, once what was submitted is done with them. */
  free(): void {
    this.#device.free(this.#buffers);
  }
}
