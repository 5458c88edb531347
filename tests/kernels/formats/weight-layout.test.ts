import { test } from "uvu";
import * as assert from "uvu/assert";
import { rebias } from "../../../src/kernels/formats/weight-layout.ts";
import { halfToFloat } from "../../../src/checkpoint/dequantize.ts";

/** As f16.wgsl reads it. */
function read(rebiased: number): number {
  const bits = new Int32Array([rebiased << 16]);
  bits[0] = bits[0]! >> 3 & 0x8fffe000;
  return new Float32Array(bits.buffer)[0]! * 2 ** 102;
}

test("rebias() keeps each 16-bit float below 128, and makes none subnormal", () => {
  let kept = 0;
  for (let half = 0; half < 2 ** 16; half++) {
    const value = halfToFloat(half);
    if (!(Math.abs(value) < 128)) {
      assert.throws(() => rebias(half), /^Cannot hold the 16-bit float 0x[0-9a-f]{4}/);
      continue;
    }
    const rebiased = rebias(half);
    assert.ok(Object.is(read(rebiased), value), `0x${half.toString(16)}: ${read(rebiased)}, wanted ${value}`);
    assert.ok(value === 0 || (rebiased & 0x7c00) > 0);
    kept++;
  }
  assert.is(kept, 2 * 22 * 1024);
});

test.run();
