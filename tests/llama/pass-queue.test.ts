import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Device } from "../../src/gpu/device.ts";
import { shaderText } from "../../src/gpu/shader-text.ts";
import { createKernel, encodeKernel } from "../../src/kernels/kernel.ts";
import chosenStruct from "../../src/kernels/sampling/chosen.wgsl" with { type: "text" };
import stepStruct from "../../src/kernels/step.wgsl" with { type: "text" };
import { type Passes, PassQueue } from "../../src/llama/pass-queue.ts";
import type { EncodePass } from "../../src/llama/pass-shape.ts";
import { withDevice } from "../with-device.ts";

/** Chooses FACTOR times the token + the position for each row; the last one becomes the next pass's token. */
const CHOOSE = `
@group(0) @binding(0) var<storage, read_write> step: Step;
@group(0) @binding(1) var<storage, read_write> chosen: array<Chosen>;
@group(0) @binding(2) var<storage, read_write> tokens: array<u32>;
@compute @workgroup_size(1) fn main() {
  for (var i = 0u; i < step.rows; i++) {
    let token = FACTOR * tokens[i] + step.position + i;
    chosen[step.chosen_at + i] = Chosen(token, 1.0, step.fork);
    if (i == step.rows - 1u) { tokens[0] = token; }
  }
}`;
/** Moves the first token and the position on. */
const BEFORE = `
@group(0) @binding(0) var<storage, read_write> step: Step;
@group(0) @binding(1) var<storage, read_write> chosen: array<Chosen>;
@group(0) @binding(2) var<storage, read_write> tokens: array<u32>;
@compute @workgroup_size(1) fn main() {
  tokens[0] += 1000u;
  step.position += 7u;
}`;

async function createPasses(device: Device, queue: PassQueue) {
  const create = async (code: string, factor: number): Promise<EncodePass> => {
    const text = shaderText({ FACTOR: factor }, [stepStruct, chosenStruct, code]);
    const kernel = await createKernel(device, "test", [text], [queue.step, queue.chosen, queue.tokens], 1);
    return (pass) => encodeKernel(pass, kernel, 1);
  };
  return { twice: [await create(CHOOSE, 2)], thrice: [await create(CHOOSE, 3)], before: await create(BEFORE, 1) };
}

/** The device's token and position as the host works them out. */
class Model {
  #token = 0;
  #position = 0;

  /** The tokens that the passes have to choose. */
  run({ tokens, position, steps, before }: Passes, factor: number): number[] {
    if (before) {
      this.#token += 1000;
      this.#position += 7;
    }
    if (tokens[0] !== null) this.#token = tokens[0]!;
    const chosen: number[] = [];
    for (let step = 0; step < steps; step++) {
      if (position !== null) this.#position = position + step;
      const fed = [this.#token, ...tokens.slice(1) as number[]];
      const own = fed.map((token, i) => factor * token + this.#position + i);
      chosen.push(...own);
      this.#token = own.at(-1)!;
    }
    return chosen;
  }
}

await withDevice("of submissions that differ in one thing, each is encoded for itself", async (device) => {
  const queue = new PassQueue(device, 4, 8);
  const { twice, thrice, before } = await createPasses(device, queue);
  const base = { tokens: [5], position: 10, steps: 1, work: { parts: twice }, chosenRows: 1 } as const;
  const cases: readonly Passes[] = [
    base,
    { ...base, tokens: [5, 6], chosenRows: 2 },
    { ...base, tokens: [null] },
    { ...base, tokens: [8] },
    { ...base, position: null },
    { ...base, position: 20 },
    { ...base, steps: 3 },
    { ...base, tokens: [null], position: null },
    { ...base, tokens: [null], position: null, before },
    { ...base, work: { parts: thrice } },
    { ...base, fork: 4 },
  ];
  const model = new Model();
  // At the second time each finds a spare, if there is time for it; at most eight are kept, so the cases go in pairs.
  for (const first of cases) {
    for (const second of cases) {
      for (const passes of [first, first, first, second, first]) {
        const { tokens, runnersUp, startMs, endMs } = await queue.run(passes);
        const { parts } = await passes.work;
        assert.equal(tokens, model.run(passes, parts === twice ? 2 : 3));
        assert.equal(runnersUp, tokens.map(() => passes.fork ?? 2 ** 32 - 1));
        assert.ok(startMs <= endMs);
        await new Promise((resolve) => setTimeout(resolve, 0));
      }
    }
  }
});

await withDevice(
  "submissions are in order, whichever has its work ready first; a failed one fails alone",
  async (device) => {
    const queue = new PassQueue(device, 4, 8);
    const { twice } = await createPasses(device, queue);
    const base = { tokens: [1], position: 0, steps: 1, work: { parts: twice }, chosenRows: 1 } as const;
    const late = new Promise<{ parts: typeof twice }>((resolve) => setTimeout(() => resolve({ parts: twice }), 5));
    const results = await Promise.allSettled([
      queue.run({ ...base, work: late }),
      queue.run({ ...base, work: Promise.reject(new Error("no kernels")) }),
      queue.run({ ...base, tokens: [null] }),
      queue.copy(() => {}),
      queue.run({ ...base, tokens: [null] }),
    ]);
    const told = results.map((result) => result.status === "fulfilled" ? result.value.tokens : result.reason.message);
    assert.equal(told, [[2], "no kernels", [4], [], [8]]);
    const times = results.flatMap((result) => result.status === "fulfilled" ? [result.value] : []);
    times.forEach(({ startMs }, i) => assert.ok(i === 0 || startMs >= times[i - 1]!.endMs));
  },
);

await withDevice("more rows or steps than there is room for are refused", async (device) => {
  const queue = new PassQueue(device, 4, 8);
  const { twice } = await createPasses(device, queue);
  const run = (rows: number, steps: number) =>
    queue.run({ tokens: Array(rows).fill(1), position: 0, steps, work: { parts: twice }, chosenRows: rows });
  for (const [rows, steps] of [[0, 1], [5, 1], [1, 9], [4, 3]] as const) {
    assert.throws(
      () => run(rows, steps),
      (error: Error) =>
        error instanceof RangeError &&
        error.message === `Cannot run ${rows} rows, ${steps} steps: at most 4 rows, 8 steps`,
    );
  }
  assert.is((await run(4, 1)).tokens.length, 4);
  assert.is((await run(1, 8)).tokens.length, 8);
});

test.run();
