import { test } from "uvu";
import * as assert from "uvu/assert";
import { defaultVariant, possibleVariants } from "../../src/kernels/kernel-variant.ts";
import { choose, chosenOf, scoreOf, tune } from "../../src/llama/tune.ts";
import { withDevice } from "../with-device.ts";

test("the least score is chosen, but the default stays where it is hardly slower", () => {
  const measured = (...scores: (number | null)[]) => scores.map((score, i) => ({ score, isDefault: i === 0 }));
  assert.is(choose(measured(1, 0.96, 2)), 0);
  assert.is(choose(measured(1, 0.94, 0.93)), 2);
  assert.is(choose(measured(null, 3, 2)), 2);
  assert.is(choose(measured(null, null)), -1);
  // Twice as slow with one row weighs as much as four times with two rows, or 2 ** 5 in the mean's fifth power.
  assert.ok(Math.abs(scoreOf([2, 1, 1, 1]) - 2 ** 0.4) < 1e-12);
  assert.ok(Math.abs(scoreOf([1, 1, 8, 1]) - 2 ** 0.6) < 1e-12);
});

// llvmpipe is slow to compile barriers, which variants that split K have.
const SWIFTSHADER = { adapter: "swiftshader" } as const;

await withDevice("the tuner times what is right, and chooses one for each format and shape", async (device) => {
  const shapes = [{ n: 64, k: 256 }];
  const types = ["Q4_1", "Q6_K", "F16"] as const;
  const measurements = await tune(device, { types, shapes });
  const variants = possibleVariants(device);
  assert.is(measurements.length, types.length * variants.length);
  assert.equal(chosenOf(measurements).map(({ type, k }) => [type, k]), types.map((type) => [type, 256]));
  for (const { ms, score, problem, variant, isDefault } of measurements) {
    // A product so small says little of which is faster, but none of the variants is wrong.
    assert.ok(problem === null || /^one row takes /.test(problem), `${variant}: ${problem}`);
    assert.is(isDefault, variant === defaultVariant(device).name);
    assert.is(ms === null, problem !== null);
    assert.ok(problem !== null || ms!.every((value) => value > 0 && value < Infinity) && score! > 0);
  }
}, SWIFTSHADER);

await withDevice("a variant whose products are wrong may not be chosen", async (device) => {
  const { queue } = device;
  const { writeBuffer } = queue;
  queue.writeBuffer = ((buffer: GPUBuffer, offset: number, data: Uint32Array<ArrayBuffer>, ...rest: number[]) => {
    const spoilt = data.slice();
    if (buffer.label.includes("weights")) spoilt[0] = spoilt[0]! ^ 15;
    writeBuffer.call(queue, buffer, offset, spoilt, ...rest);
  }) as typeof writeBuffer;
  const spoilt = await tune(device, { types: ["Q4_1"], shapes: [{ n: 64, k: 256 }] });
  queue.writeBuffer = writeBuffer;
  assert.equal(chosenOf(spoilt), []);
  for (const { problem } of spoilt) assert.match(problem!, /^a product of 8 rows is [^,]+, wanted [^,]+$/);
}, SWIFTSHADER);

test.run();
