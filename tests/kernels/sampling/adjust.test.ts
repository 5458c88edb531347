import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { Adjuster } from "../../../src/kernels/sampling/adjust.ts";
import { CHOSEN_BYTES, createArgmaxTiles, tileConstants } from "../../../src/kernels/sampling/argmax.ts";
import type { KernelContext } from "../../../src/kernels/kernel-context.ts";
import type { Adjustments } from "../../../src/util/sampling.ts";
import { withDevice } from "../../with-device.ts";
import { assertClose, assertSameBits, randoms, readFloats, StepBuffer, VARIANT_CASES } from "../kernel-fixture.ts";

const [VOCABULARY, ROWS, CAPACITY, BRANCH_SLOTS] = [301, 16, 90, 5];
const NONE: Adjustments = { biases: [], countedFrom: 0, repetition: 1, presence: 0, frequency: 0 };

/** An adjuster fed with logits, and with a text whose last token is that of the last row. */
async function createAdjusted(context: KernelContext) {
  const { device } = context;
  const step = new StepBuffer(device);
  const logits = device.storage("logits", ROWS * VOCABULARY * 4);
  const argmaxTiles = createArgmaxTiles(context, ROWS, VOCABULARY);
  const history = device.storage("history", (CAPACITY + BRANCH_SLOTS) * 4);
  const adjuster = await Adjuster.create(context, {
    rows: ROWS,
    vocabulary: VOCABULARY,
    step: step.buffer,
    tokens: device.storage("tokens", ROWS * 4),
    history,
    branchSlots: BRANCH_SLOTS,
    logits,
    argmaxTiles,
    chosen: device.storage("chosen", ROWS * CHOSEN_BYTES),
  });
  const { TILES } = tileConstants(context.variant, VOCABULARY);
  return async (values: Float32Array<ArrayBuffer>, text: readonly number[], adjustments: Adjustments) => {
    const rows = values.length / VOCABULARY;
    device.queue.writeBuffer(logits, 0, values);
    device.queue.writeBuffer(argmaxTiles, 0, new Uint32Array(argmaxTiles.size / 4));
    device.queue.writeBuffer(history, BRANCH_SLOTS * 4, new Uint32Array(text));
    adjuster.write(adjustments);
    step.run(adjuster.kernels, rows, text.length - rows);
    const tiles = await device.read(argmaxTiles, rows * TILES * 12);
    return { logits: await readFloats(device, logits, values.length), tiles: new DataView(tiles), TILES };
  };
}

/** The logits of a row after `text`, from their description in src/util/sampling.ts. */
function adjusted(logits: Float32Array, text: readonly number[], adjustments: Adjustments): Float64Array {
  const { biases, window = Infinity, countedFrom, repetition, presence, frequency } = adjustments;
  const row = Float64Array.from(logits);
  for (const [token, bias] of biases) row[token] = bias === -Infinity ? -3.4028234e38 : row[token]! + bias;
  const seen = [...text.keys()].filter((position) => position >= text.length - window);
  for (const token of new Set(seen.map((position) => text[position]!))) {
    if (row[token]! < -3e38) continue;
    const count = seen.filter((position) => text[position] === token && position >= countedFrom).length;
    row[token] = row[token]! > 0 ? row[token]! / repetition : row[token]! * repetition;
    row[token]! -= count * frequency + (count > 0 ? presence : 0);
  }
  return row;
}

const adjustments = fc.record({
  biases: fc.uniqueArray(
    fc.tuple(fc.nat(VOCABULARY - 1), fc.oneof(fc.double({ min: -100, max: 100, noNaN: true }), fc.constant(-Infinity))),
    { maxLength: 40, selector: ([token]) => token },
  ),
  window: fc.option(fc.nat(40), { nil: undefined }),
  countedFrom: fc.nat(40),
  repetition: fc.double({ min: 0.5, max: 2, noNaN: true }),
  presence: fc.double({ min: -2, max: 2, noNaN: true }),
  frequency: fc.double({ min: -2, max: 2, noNaN: true }),
});
/** Few tokens, so that many come several times. */
const text = fc.array(fc.nat(12), { minLength: ROWS, maxLength: CAPACITY });

for (const { title, adapter, contextOf } of VARIANT_CASES) {
  await withDevice(`${title}: logits change as double precision says, and so do the tiles' best`, async (device) => {
    const adjust = await createAdjusted(contextOf(device));
    const logits = randoms(1, ROWS * VOCABULARY, -6, 6);
    await fc.assert(
      fc.asyncProperty(text, adjustments, async (text, adjustments) => {
        const got = await adjust(logits, text, adjustments);
        for (let row = 0; row < ROWS; row++) {
          const own = logits.subarray(row * VOCABULARY, (row + 1) * VOCABULARY);
          const wanted = adjusted(own, text.slice(0, text.length - ROWS + row + 1), adjustments);
          const gotRow = got.logits.subarray(row * VOCABULARY, (row + 1) * VOCABULARY);
          assertClose(`row ${row}`, gotRow, wanted, 2e-5, 1e-6);
          let best = [-Infinity, 0];
          for (let tile = 0; tile < got.TILES; tile++) {
            const at = (row * got.TILES + tile) * 12;
            const [score, token] = [got.tiles.getFloat32(at, true), got.tiles.getUint32(at + 4, true)];
            if (score > best[0]!) best = [score, token];
          }
          assert.is(best[1], gotRow.indexOf(Math.max(...gotRow)));
        }
      }),
      { numRuns: 15 },
    );
  }, { adapter });

  await withDevice(`${title}: a row's bits are the same, alone or among others`, async (device) => {
    const adjust = await createAdjusted(contextOf(device));
    const logits = randoms(2, ROWS * VOCABULARY, -6, 6);
    const text = Array.from({ length: 60 }, (_, i) => i * i % 11);
    const changes = { ...NONE, repetition: 1.3, presence: 0.7, frequency: 0.3, countedFrom: 9 };
    const together = await adjust(logits, text, changes);
    for (const row of [0, 7, 15]) {
      const [from, to] = [row * VOCABULARY, (row + 1) * VOCABULARY];
      const alone = await adjust(logits.slice(from, to), text.slice(0, text.length - ROWS + row + 1), changes);
      assertSameBits(`row ${row}`, alone.logits, together.logits.slice(from, to));
    }
  }, { adapter });
}

test.run();
