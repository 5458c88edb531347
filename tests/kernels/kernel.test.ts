import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Device, Pipeline } from "../../src/gpu/device.ts";
import { createKernel, encodeKernel, encodeWarmUp, type Kernel } from "../../src/kernels/kernel.ts";

/** A kernel whose pipelines take 1 to `maxRows` rows of the pass in a workgroup. */
function kernelOf(maxRows: number): Kernel {
  const pipelines = Array.from({ length: maxRows }, (_, i) => ({ gpu: i + 1 }) as unknown as Pipeline);
  return {
    label: "test",
    pipelines,
    group: {} as GPUBindGroup,
    width: 7,
    workOf: () => ({ bytes: 0, multiplyAdds: 0 }),
  };
}

/** The dispatches that `encode` encodes: rows of the pipeline's workgroups, then how many of them in x and in y. */
function dispatchesOf(encode: (pass: GPUComputePassEncoder) => void): (number | undefined)[][] {
  const dispatches: (number | undefined)[][] = [];
  let rows = 0;
  encode({
    setPipeline: (pipeline: unknown) => rows = pipeline as number,
    setBindGroup: () => {},
    dispatchWorkgroups: (x: number, y?: number) => dispatches.push([rows, x, y]),
  } as unknown as GPUComputePassEncoder);
  return dispatches;
}

test("a dispatch has as few workgroups as possible, and these as few rows as possible", () => {
  const dispatch = (maxRows: number, rows: number) =>
    dispatchesOf((pass) => encodeKernel(pass, kernelOf(maxRows), rows))[0]!;
  assert.equal(dispatch(4, 1), [1, 7, 1]);
  assert.equal(dispatch(4, 4), [4, 7, 1]);
  assert.equal(dispatch(4, 5), [3, 7, 2]);
  assert.equal(dispatch(4, 9), [3, 7, 3]);
  assert.equal(dispatch(4, 16), [4, 7, 4]);
  assert.equal(dispatch(2, 5), [2, 7, 3]);
  assert.equal(dispatch(1, 64), [1, 7, 64]);
  for (let rows = 1; rows <= 64; rows++) {
    const [taken, , groups] = dispatch(4, rows);
    assert.ok(taken! * groups! >= rows && (taken! - 1) * groups! < rows, `${rows} rows`);
  }
});

test("a warm-up runs each pipeline once", () => {
  assert.equal(
    dispatchesOf((pass) => encodeWarmUp(pass, kernelOf(3))).map(([rows]) => rows),
    [1, 2, 3],
  );
});

test("more workgroups than the device can dispatch are refused", async () => {
  const device = {
    label: "test",
    limits: { maxComputeWorkgroupsPerDimension: 8 },
    pipeline: () => Promise.resolve({}),
    bind: () => ({}),
  } as unknown as Device;
  assert.is((await createKernel(device, "wide", [""], [], 8)).width, 8);
  const error = await createKernel(device, "wide", [""], [], 9).then(() => null, (error) => error);
  assert.instance(error, RangeError);
  assert.is(error.message, 'Cannot run "wide" on the test device: 9 workgroups, at most 8');
});

test.run();
