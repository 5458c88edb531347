import { test } from "uvu";
import * as assert from "uvu/assert";
import { timePasses } from "../../src/gpu/pass-times.ts";
import { withDevice } from "../with-device.ts";

/** Doubles y[0] and adds `added`; then a loop of `turns` turns, whose result y[1] takes, needs time. */
const code = (added: number, turns: number) => `
@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(1) fn main() {
  y[0] = y[0] * 2.0 + ${added}.0;
  var v = y[0];
  for (var i = 0u; i < ${turns}u; i++) { v = fma(v, 0.999, 1.0); }
  y[1] = v;
}`;

await withDevice("passes run in their order, each is timed, and nothing stays allocated", async (device, gpu) => {
  const y = device.storage("y", 16);
  const pipelines = [await device.pipeline("short", code(1, 1)), await device.pipeline("long", code(0, 1_000_000))];
  const passes = pipelines.map((pipeline) => {
    const group = device.bind(pipeline, [y]);
    return (pass: GPUComputePassEncoder) => {
      pass.setPipeline(pipeline.gpu);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(1);
    };
  });
  const before = device.allocatedBytes;
  // Some drivers (llvmpipe) compile at the first dispatch, and the short pass may take the longer for it.
  await timePasses(device, passes);
  assert.is(new Float32Array(await device.read(y))[0], 2, "0 * 2 + 1, then * 2");
  const { wallMs, passMs } = await timePasses(device, passes);
  assert.is(device.allocatedBytes, before);
  assert.is(passMs !== null, gpu.features.has("timestamp-query"));
  if (passMs === null) return;
  assert.is(passMs.length, 2);
  assert.ok(passMs[0]! < passMs[1]!, `the short pass took ${passMs[0]} ms, the long one ${passMs[1]} ms`);
  assert.ok(passMs[1]! <= wallMs, `a pass took ${passMs[1]} ms of ${wallMs} ms`);
});

await withDevice("where the device has no clock, there is the time of all passes only", async (device) => {
  device.timestamps = () => undefined;
  const { wallMs, passMs } = await timePasses(device, [() => {}]);
  assert.is(passMs, null);
  assert.ok(wallMs > 0);
});

test.run();
