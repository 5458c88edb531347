import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Device } from "../../src/gpu/device.ts";
import { defaultVariant, possibleVariants } from "../../src/kernels/kernel-variant.ts";

const device = (fields: Partial<Device>) =>
  ({ software: true, isSwiftShader: false, smallestSubgroup: 0, ...fields }) as Device;

test("N is split on software adapters with subgroups, as wide as they are; elsewhere K is", () => {
  for (
    const [fields, name] of [
      [{ smallestSubgroup: 16 }, "rows-8"],
      [{ smallestSubgroup: 8 }, "rows-8"],
      [{ smallestSubgroup: 4 }, "rows-4"],
      [{ smallestSubgroup: 4, isSwiftShader: true }, "rows-4"],
      [{ smallestSubgroup: 2 }, "split-64"],
      [{ smallestSubgroup: 0 }, "split-64"],
      [{ smallestSubgroup: 32, software: false }, "split-64"],
    ] as const
  ) assert.is(defaultVariant(device(fields)).name, name, JSON.stringify(fields));
});

test("a variant that splits N needs a subgroup of its width", () => {
  const names = (smallestSubgroup: number) => possibleVariants(device({ smallestSubgroup })).map(({ name }) => name);
  const split = ["split-32", "split-64", "split-128", "split-256"];
  assert.equal(names(0), split);
  assert.equal(names(4), ["rows-4", ...split]);
  assert.equal(names(8), ["rows-4", "rows-8", ...split]);
});

test("SwiftShader has its weights in buffers, codes in place, and two rows in a workgroup", () => {
  for (const isSwiftShader of [true, false]) {
    for (
      const { name, memory, codesInPlace, maxRows } of possibleVariants(device({ smallestSubgroup: 8, isSwiftShader }))
    ) {
      assert.is(codesInPlace, isSwiftShader, name);
      assert.is(maxRows, isSwiftShader ? 2 : 4, name);
      assert.is(memory.textures, !isSwiftShader && name.startsWith("rows"), name);
    }
  }
});

test.run();
