import { test } from "uvu";
import * as assert from "uvu/assert";
import { CHOSEN_BYTES, createArgmaxTiles, tileConstants } from "../../../src/kernels/sampling/argmax.ts";
import { createLogprobs, LOGPROBS_BYTES, readLogprobs } from "../../../src/kernels/sampling/logprobs.ts";
import { Sampler } from "../../../src/kernels/sampling/sampling.ts";
import type { Sampling } from "../../../src/util/sampling.ts";
import { withDevice } from "../../with-device.ts";
import { assertClose, randoms, StepBuffer, VARIANT_CASES } from "../kernel-fixture.ts";
import { probabilities } from "./reference-sampling.ts";

const ROWS = 16;

const DRAWS: readonly Sampling[] = [
  { temperature: 2.5 },
  { temperature: 0.5, topK: 7 },
  { temperature: 0.5, topP: 0.6 },
  { temperature: 2.5, minP: 0.1 },
  { temperature: 0.8, topK: 90, topP: 0.7, minP: 0.02 },
].map((one) => ({ topK: 0, topP: 1, minP: 0, seed: 3, ...one }));

for (const { title, adapter, contextOf } of VARIANT_CASES) {
  await withDevice(`${title}: log-probabilities are those of double precision`, async (device) => {
    const context = contextOf(device);
    // Fewer tokens than are told, some, and so many that an invocation has several tiles.
    for (const vocabulary of [9, 301, 5000]) {
      const { TILES, TILE_TOKENS } = tileConstants(context.variant, vocabulary);
      const step = new StepBuffer(device);
      const buffers = {
        rows: ROWS,
        vocabulary,
        step: step.buffer,
        tokens: device.storage("tokens", ROWS * 4),
        history: device.storage("history", 4),
        branchSlots: 0,
        logits: device.storage("logits", ROWS * vocabulary * 4),
        argmaxTiles: createArgmaxTiles(context, ROWS, vocabulary),
        chosen: device.storage("chosen", ROWS * CHOSEN_BYTES),
      };
      const { before, after, buffer } = await createLogprobs(context, buffers, null);
      const sampler = await Sampler.create(context, buffers);
      const ofDraw = await createLogprobs(context, buffers, sampler);
      // Rounded, so that there are ties.
      const logits = randoms(vocabulary, ROWS * vocabulary, -8, 8).map((value) => Math.round(value * 50) / 50);
      const rows = Array.from({ length: ROWS }, (_, i) => logits.subarray(i * vocabulary, (i + 1) * vocabulary));
      const tiles = new DataView(new ArrayBuffer(ROWS * TILES * 12));
      rows.forEach((row, i) => {
        for (let tile = 0; tile < TILES; tile++) {
          const own = row.subarray(tile * TILE_TOKENS, (tile + 1) * TILE_TOKENS);
          const best = Math.max(...own);
          const at = (i * TILES + tile) * 12;
          tiles.setFloat32(at, best, true);
          tiles.setUint32(at + 4, tile * TILE_TOKENS + own.indexOf(best), true);
          tiles.setFloat32(at + 8, own.reduce((sum, logit) => sum + Math.exp(logit - best), 0), true);
        }
      });
      const chosen = rows.map((_, i) => i * 7 % vocabulary);
      const fed = rows.map((_, i) => i * 5 % vocabulary);
      device.queue.writeBuffer(buffers.logits, 0, logits);
      device.queue.writeBuffer(buffers.argmaxTiles, 0, tiles.buffer as ArrayBuffer);
      device.queue.writeBuffer(buffers.chosen, 0, new Uint32Array(chosen.flatMap((token) => [token, 0, 0])));
      device.queue.writeBuffer(buffers.tokens, 0, new Uint32Array(fed));
      step.run([...before, ...after], ROWS);
      const got = readLogprobs(await device.read(buffer, ROWS * LOGPROBS_BYTES), 0, ROWS, 20);
      rows.forEach((row, i) => {
        const sum = row.reduce((sum, logit) => sum + Math.exp(logit), 0);
        const wanted = Array.from(row, (logit) => logit - Math.log(sum));
        const order = [...row.keys()].sort((a, b) => row[b]! - row[a]! || a - b).slice(0, 20);
        const { logprob, next, top } = got[i]!;
        assert.equal(top.map(({ token }) => token), order, `${vocabulary} tokens, row ${i}`);
        assertClose("top", top.map(({ logprob }) => logprob), order.map((token) => wanted[token]!), 1e-5, 1e-5);
        assertClose("chosen", [logprob], [wanted[chosen[i]!]!], 1e-5, 1e-5);
        if (i < ROWS - 1) assertClose("next", [next], [wanted[fed[i + 1]!]!], 1e-5, 1e-5);
      });

      // The filters take their time, and have tests of their own.
      for (const sampling of vocabulary > 1000 ? [] : DRAWS) {
        sampler.write(sampling);
        step.run([...sampler.kernels(sampling).slice(0, -1), ...ofDraw.before, ...ofDraw.after], ROWS);
        const got = readLogprobs(await device.read(ofDraw.buffer, ROWS * LOGPROBS_BYTES), 0, ROWS, 20);
        rows.forEach((row, i) => {
          const shares = probabilities(row, sampling);
          const order = [...row.keys()].filter((token) => shares[token]! > 0)
            .sort((a, b) => row[b]! - row[a]! || a - b).slice(0, 20);
          const where = `${JSON.stringify(sampling)}, ${vocabulary} tokens, row ${i}`;
          const { logprob, top } = got[i]!;
          assert.equal(top.map(({ token }) => token), order, where);
          assertClose(
            where,
            top.map(({ logprob }) => Math.exp(logprob)),
            order.map((token) => shares[token]!),
            1e-6,
            3e-5,
          );
          assertClose(where, [Math.exp(logprob)], [shares[chosen[i]!]!], 1e-6, 3e-5);
        });
      }
    }
  }, { adapter });
}

test.run();
