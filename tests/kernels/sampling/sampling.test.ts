import { test } from "uvu";
import * as assert from "uvu/assert";
import { CHOSEN_BYTES, createArgmax, createArgmaxTiles, tileConstants } from "../../../src/kernels/sampling/argmax.ts";
import type { KernelContext } from "../../../src/kernels/kernel-context.ts";
import { Sampler } from "../../../src/kernels/sampling/sampling.ts";
import type { Sampling } from "../../../src/util/sampling.ts";
import { withDevice } from "../../with-device.ts";
import { assertClose, assertSameBits, randoms, readFloats, StepBuffer, VARIANT_CASES } from "../kernel-fixture.ts";
import { gumbel, hash, probabilities, scores } from "./reference-sampling.ts";

const VOCABULARY = 301;
const PLAIN: Sampling = { temperature: 1, topK: 0, topP: 1, minP: 0, seed: 1 };

interface Chosen {
  readonly tokens: readonly number[];
  readonly confidences: Float32Array;
  readonly runnersUp: readonly number[];
  readonly scores: Float32Array;
}

/** The sampler and argmax behind it, fed with logits. */
async function createChooser(context: KernelContext, vocabulary: number, rows: number) {
  const { device } = context;
  const step = new StepBuffer(device);
  const logits = device.storage("logits", rows * vocabulary * 4);
  const argmaxTiles = createArgmaxTiles(context, rows, vocabulary);
  const chosen = device.storage("chosen", rows * CHOSEN_BYTES);
  const tokens = device.storage("tokens", rows * 4);
  const { TILES, TILE_TOKENS } = tileConstants(context.variant, vocabulary);
  const sampler = await Sampler.create(context, { rows, vocabulary, step: step.buffer, logits, argmaxTiles });
  const argmax = await createArgmax(context, vocabulary, [step.buffer, argmaxTiles, logits, chosen, tokens]);
  return async (values: Float32Array<ArrayBuffer>, sampling: Sampling, position: number): Promise<Chosen> => {
    const count = values.length / vocabulary;
    // The tiles' best logits, as the output product leaves them. Their tokens and sums are for argmax alone.
    const tiles = new Float32Array(count * TILES * 3);
    for (let i = 0; i < count * TILES; i++) {
      const first = i % TILES * TILE_TOKENS;
      const row = Math.floor(i / TILES) * vocabulary;
      tiles[3 * i] = Math.max(...values.subarray(row + first, row + Math.min(first + TILE_TOKENS, vocabulary)));
    }
    device.queue.writeBuffer(logits, 0, values);
    device.queue.writeBuffer(argmaxTiles, 0, tiles);
    sampler.write(sampling);
    step.run([...sampler.kernels(sampling), argmax], count, position);
    const words = new Uint32Array(await device.read(chosen, count * CHOSEN_BYTES));
    const floats = new Float32Array(words.buffer);
    const at = (field: number) => Array.from({ length: count }, (_, i) => 3 * i + field);
    return {
      tokens: at(0).map((i) => words[i]!),
      confidences: Float32Array.from(at(1), (i) => floats[i]!),
      runnersUp: at(2).map((i) => words[i]!),
      scores: await readFloats(device, logits, values.length),
    };
  };
}

/** Tokens whose score isn't the lowest there is: the filters keep them. */
const kept = (row: Float32Array) => Array.from(row.keys()).filter((token) => row[token]! > -3e38);
const keptBy = (shares: Float64Array) => Array.from(shares.keys()).filter((token) => shares[token]! > 0);

const FILTERS: Readonly<Record<string, Partial<Sampling>>> = {
  "temperature alone": {},
  "top-k": { topK: 9 },
  "top-k of one": { topK: 1 },
  "top-k of more than there are": { topK: 1_000_000 },
  "top-p": { topP: 0.7 },
  "a top-p that one token reaches": { topP: 1e-4 },
  "min-p": { minP: 0.1 },
  "all filters": { topK: 30, topP: 0.9, minP: 0.02 },
};

for (const { title, adapter, contextOf } of VARIANT_CASES) {
  const check = (name: string, body: (context: KernelContext) => Promise<void>) =>
    withDevice(`${title}: ${name}`, (device) => body(contextOf(device)), { adapter });

  await check("scores, chosen token, confidence and runner-up are those of double precision", async (context) => {
    const [vocabulary, rows, position] = [VOCABULARY, 16, 1000];
    const choose = await createChooser(context, vocabulary, rows);
    const logits = randoms(1, rows * vocabulary, -6, 6);
    for (const [name, filter] of Object.entries(FILTERS)) {
      for (const temperature of [0.6, 1.7]) {
        const sampling = { ...PLAIN, temperature, ...filter, seed: 2 ** 32 - 7 };
        const got = await choose(logits, sampling, position);
        for (let row = 0; row < rows; row++) {
          const own = logits.subarray(row * vocabulary, (row + 1) * vocabulary);
          const wanted = scores(own, sampling, position + row + 1);
          const best = Math.max(...wanted);
          const order = Array.from(wanted.keys()).sort((a, b) => wanted[b]! - wanted[a]! || a - b);
          const where = `${name} at temperature ${temperature}, row ${row}`;
          const gotRow = got.scores.subarray(row * vocabulary, (row + 1) * vocabulary);
          const tokens = kept(gotRow);
          assert.equal(tokens, keptBy(probabilities(own, sampling)), `${where}: kept tokens`);
          assertClose(where, tokens.map((token) => gotRow[token]!), tokens.map((token) => wanted[token]!), 5e-6, 1e-6);
          assert.is(got.tokens[row], order[0], `${where}: token`);
          const other = order.slice(0, 2).filter((token) => token !== got.tokens[row])[0];
          assert.is(got.runnersUp[row], other, `${where}: runner-up`);
          const share = 1 / wanted.reduce((sum, score) => sum + Math.exp(score - best), 0);
          assertClose(`${where}: confidence`, [got.confidences[row]!], [share], 0, 1e-4);
        }
      }
    }
  });

  await check("a row's bits are the same, alone or among others", async (context) => {
    const [vocabulary, rows, position] = [VOCABULARY, 16, 77];
    const choose = await createChooser(context, vocabulary, rows);
    const logits = randoms(2, rows * vocabulary, -4, 4);
    for (const [name, filter] of Object.entries(FILTERS)) {
      const sampling = { ...PLAIN, ...filter };
      const together = await choose(logits, sampling, position);
      for (const row of [0, 3, 15]) {
        const own = logits.slice(row * vocabulary, (row + 1) * vocabulary);
        const alone = await choose(own, sampling, position + row);
        assert.is(alone.tokens[0], together.tokens[row], name);
        assert.is(alone.runnersUp[0], together.runnersUp[row], name);
        assertSameBits(name, alone.confidences, together.confidences.slice(row, row + 1));
        assertSameBits(name, alone.scores, together.scores.slice(row * vocabulary, (row + 1) * vocabulary));
      }
    }
  });

  await check("of logits that tie at a filter's end the lower tokens are kept", async (context) => {
    const vocabulary = VOCABULARY;
    const choose = await createChooser(context, vocabulary, 1);
    const logits = randoms(3, vocabulary, -2, 2).map(Math.round);
    for (const filter of [{ topK: 5 }, { topK: 100 }, { topP: 0.123 }, { topP: 0.789 }, { topK: 90, topP: 0.55 }]) {
      const sampling = { ...PLAIN, ...filter };
      const got = kept((await choose(logits, sampling, 0)).scores);
      assert.equal(got, keptBy(probabilities(logits, sampling)), JSON.stringify(filter));
      const lowest = Math.min(...got.map((token) => logits[token]!));
      const ties = Array.from(logits.keys()).filter((token) => logits[token] === lowest);
      assert.ok(got.filter((token) => logits[token] === lowest).length < ties.length, "the filter ends within a tie");
    }
  });

  await check("a large vocabulary is filtered, and the largest noises are exact", async (context) => {
    const [vocabulary, position] = [49_152, 123_456];
    const choose = await createChooser(context, vocabulary, 1);
    const noise = await choose(new Float32Array(vocabulary), PLAIN, position);
    const wanted = Float64Array.from({ length: vocabulary }, (_, token) => gumbel(1, position + 1, token));
    assert.ok(Math.max(...wanted) > 8 && Math.min(...wanted) < -2);
    assertClose("noise", noise.scores, wanted, 3e-6, 3e-7);
    // Sharper than uniform ones, as a model's are.
    const logits = randoms(4, vocabulary).map((value) => 12 * value ** 3);
    for (const filter of [{ topK: 40 }, { topP: 0.9 }, { topK: 1000, topP: 0.5 }, { topP: 0.999, minP: 0.5 }]) {
      const sampling = { ...PLAIN, temperature: 0.8, ...filter };
      const got = await choose(logits, sampling, position);
      const shares = probabilities(logits, sampling);
      // A sum of float32 may end a token or two away from a double's.
      const [most, least] = [kept(got.scores).length, keptBy(shares).length].sort((a, b) => b - a) as [number, number];
      assert.ok(most - least <= 1 + least / 1000, `${JSON.stringify(filter)}: ${most} and ${least} kept`);
      const best = scores(logits, sampling, position + 1);
      assert.is(got.tokens[0], best.indexOf(Math.max(...best)));
    }
  });

  await check("a temperature close to 0 is argmax", async (context) => {
    const vocabulary = VOCABULARY;
    const choose = await createChooser(context, vocabulary, 1);
    const logits = randoms(5, vocabulary, -6, 6);
    const best = logits.indexOf(Math.max(...logits));
    for (const temperature of [1e-5, 1e-30, 1e-300]) {
      for (const filter of [{}, { topK: 7, topP: 0.9, minP: 0.1 }]) {
        const { tokens, confidences } = await choose(logits, { ...PLAIN, temperature, ...filter }, 9);
        assert.equal([...tokens, ...confidences], [best, 1]);
      }
    }
  });

  if (adapter === "default") {
    await check("tokens are drawn with their probabilities", async (context) => {
      // Barriers are slow on software adapters.
      const rows = context.variant.kind === "subgroup" ? 10_000 : 1_000;
      const choose = await createChooser(context, VOCABULARY, rows);
      const logits = randoms(6, VOCABULARY).map((value) => 8 * value ** 3);
      const repeated = Float32Array.from({ length: rows * VOCABULARY }, (_, i) => logits[i % VOCABULARY]!);
      for (const [name, filter] of Object.entries(FILTERS)) {
        const sampling = { ...PLAIN, temperature: 0.7, ...filter };
        const counts = new Array<number>(VOCABULARY).fill(0);
        // The draws differ by position and by seed.
        for (const seed of [1, 2]) {
          for (const token of (await choose(repeated, { ...sampling, seed }, 0)).tokens) counts[token]!++;
        }
        const shares = probabilities(logits, sampling);
        const excess = chiSquareExcess(counts, shares);
        assert.ok(excess < 1, `${name}: chi-square is ${excess.toFixed(2)} times its limit`);
        if (keptBy(shares).length === 1) continue;
        const warmer = chiSquareExcess(counts, probabilities(logits, { ...sampling, temperature: 1.4 }));
        assert.ok(warmer > 1, `${name}: a temperature of 1.4 passes for 0.7`);
      }
    });
  }
}

/**
 * Chi-square of counts over its 0.9999 quantile (Wilson and Hilferty 1931): above 1 the counts are not drawn with these
 * probabilities.
 */
function chiSquareExcess(counts: readonly number[], shares: ArrayLike<number>): number {
  const total = counts.reduce((a, b) => a + b);
  let [statistic, bins] = [0, 0];
  let rest = { count: 0, wanted: 0 };
  const add = (count: number, wanted: number) => {
    statistic += (count - wanted) ** 2 / wanted;
    bins++;
  };
  for (const [token, count] of counts.entries()) {
    const wanted = total * shares[token]!;
    if (wanted === 0 && count > 0) return Infinity;
    if (wanted >= 10) add(count, wanted);
    else rest = { count: rest.count + count, wanted: rest.wanted + wanted };
  }
  if (rest.wanted > 0) add(rest.count, rest.wanted);
  const freedom = Math.max(1, bins - 1);
  const quantile = freedom * (1 - 2 / (9 * freedom) + 3.719 * Math.sqrt(2 / (9 * freedom))) ** 3;
  return statistic / quantile;
}

test("chi-square tells a wrong noise", () => {
  const logits = randoms(6, 61, -2, 2);
  const countsBy = (noise: (position: number, token: number) => number) => {
    const counts = new Array<number>(61).fill(0);
    for (let position = 0; position < 20_000; position++) {
      let best = [-Infinity, 0];
      for (const [token, logit] of logits.entries()) {
        const score = logit / 0.7 + noise(position, token);
        if (score > best[0]!) best = [score, token];
      }
      counts[best[1]!]!++;
    }
    return chiSquareExcess(counts, probabilities(logits, { ...PLAIN, temperature: 0.7 }));
  };
  assert.ok(countsBy((position, token) => gumbel(5, position, token)) < 1);
  const uniform = (position: number, token: number) => (hash(5, position, token)[0] + 0.5) / 2 ** 32;
  const wrong: Record<string, (position: number, token: number) => number> = {
    "too strong": (position, token) => 1.15 * gumbel(5, position, token),
    "of the other tail": (position, token) => Math.log(-Math.log(uniform(position, token))),
    "uniform": uniform,
    "not of the token": (position) => gumbel(5, position, 0),
    "not of the position": (_, token) => gumbel(5, 0, token),
  };
  for (const [name, noise] of Object.entries(wrong)) assert.ok(countsBy(noise) > 1, `noise that is ${name} passes`);
});

test("the noise's hash is uniform, and neighbours in seed, position and token have nothing in common", () => {
  const length = 2 ** 16;
  const flat = (bins: number) => new Array(bins).fill(1 / bins);
  for (const seed of [0, 1, 12345, 2 ** 32 - 1]) {
    const at: readonly ((i: number, next: number) => number)[] = [
      (i, next) => hash(seed, 100, i + next)[0],
      (i, next) => hash(seed, i + next, 100)[0],
      (i, next) => hash((seed + i + next) >>> 0, 100, 100)[0],
      // A text's positions, with few tokens each.
      (i, next) => hash(seed, i >> 4, (i & 15) + next)[0],
      (i, next) => hash(seed, (i >> 4) + next, i & 15)[0],
    ];
    for (const [which, of] of at.entries()) {
      for (const shift of [0, 12, 24]) {
        const single = new Array<number>(256).fill(0);
        const pairs = new Array<number>(256).fill(0);
        for (let i = 0; i < length; i++) {
          const [word, next] = [of(i, 0) >>> shift, of(i, 1) >>> shift];
          single[word & 255]!++;
          pairs[(word >>> 4 & 15) << 4 | next >>> 4 & 15]!++;
        }
        for (const counts of [single, pairs]) {
          const excess = chiSquareExcess(counts, flat(256));
          assert.ok(excess < 1, `seed ${seed}, ${which}, bits from ${shift}: ${excess.toFixed(2)} times the limit`);
        }
      }
    }
  }
});

test.run();
