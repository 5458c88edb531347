import { test } from "uvu";
import * as assert from "uvu/assert";
import { KernelContext, TEXTURE_WIDTH } from "../../../src/kernels/kernel-context.ts";
import { rowsVariant, splitVariant } from "../../../src/kernels/kernel-variant.ts";
import { BranchSlots } from "../../../src/kernels/attention/branch-slots.ts";
import { withDevice } from "../../with-device.ts";
import { read, write } from "../kernel-fixture.ts";

/** 24 texels, as three heads of 64 in 16 bits take: a texel row of a texture ends within a slot. */
const SLOT_BYTES = 24 * 16;
const SLOT_WORDS = SLOT_BYTES / 4;
const [BRANCH_SLOTS, CAPACITY] = [16, 400];

for (const [memory, variant] of [["textures", rowsVariant(4)], ["buffers", splitVariant()]] as const) {
  await withDevice(`branch slots are copied into the main sequence, in ${memory}`, async (device) => {
    const context = new KernelContext(device, variant);
    const caches = [1, 2, 3].map((n) => {
      const bytes = (BRANCH_SLOTS + CAPACITY) * SLOT_BYTES;
      const words = Uint32Array.from({ length: bytes / 4 }, (_, i) => n * 1_000_000 + i);
      const resource = context.createCache("cache", bytes);
      write(device, resource, words);
      return { resource, words };
    });
    // Another cache of other slots, of one word, comes last.
    const tokens = device.upload("tokens", Uint32Array.from({ length: BRANCH_SLOTS + CAPACITY }, (_, i) => i));
    const slots = new BranchSlots(device, [
      ...caches.map(({ resource }) => ({ cache: resource, slotBytes: SLOT_BYTES })),
      { cache: tokens, slotBytes: 4 },
    ], BRANCH_SLOTS);
    // Across the ends of a texture's first two texel rows, and at both ends of the main sequence; one slot, some, all.
    const rowEnd = TEXTURE_WIDTH * 16 / SLOT_BYTES;
    const first = Math.floor(rowEnd) - BRANCH_SLOTS;
    const second = Math.floor(2 * rowEnd) - BRANCH_SLOTS;
    for (
      const [fork, count] of [[first, 1], [first - 5, 16], [second - 1, 4], [0, 3], [CAPACITY - 7, 7]] as const
    ) {
      const encoder = device.encoder();
      slots.encodeKeep(encoder, fork, count);
      device.queue.submit([encoder.finish()]);
      for (const { resource, words } of caches) {
        words.copyWithin((BRANCH_SLOTS + fork) * SLOT_WORDS, 0, count * SLOT_WORDS);
        const got = new Uint32Array(await read(device, resource, words.byteLength));
        assert.ok(got.every((word, i) => word === words[i]), `${count} slots at ${fork}`);
      }
      const kept = new Uint32Array(await read(device, tokens, tokens.size)).slice(BRANCH_SLOTS + fork);
      assert.equal([...kept.slice(0, count)], Array.from({ length: count }, (_, i) => i));
    }
  });
}

test.run();
