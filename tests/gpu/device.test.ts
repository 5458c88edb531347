import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Device, DeviceLostError } from "../../src/gpu/device.ts";
import { lowerLimits } from "../kernels/kernel-fixture.ts";
import { withDevice } from "../with-device.ts";

const DOUBLE = `
@group(0) @binding(0) var<storage, read_write> y: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@compute @workgroup_size(1) fn main() { y[0] = 2.0 * x[0]; }`;

async function rejection(work: Promise<unknown>): Promise<Error> {
  return await work.then(() => assert.unreachable("nothing was thrown"), (error) => error);
}

function thrown(work: () => unknown): Error | null {
  try {
    work();
    return null;
  } catch (error) {
    return error as Error;
  }
}

/** Makes the device report an error, by a copy beyond a buffer's end. */
async function misuse(device: Device): Promise<void> {
  const buffer = device.storage("small", 16);
  const encoder = device.encoder();
  encoder.copyBufferToBuffer(buffer, 0, device.storage("other", 16), 8, 16);
  device.queue.submit([encoder.finish()]);
  await device.queue.onSubmittedWorkDone();
}

await withDevice("buffers are counted, zeroed, rounded up, read back and freed", async (device) => {
  const before = device.allocatedBytes;
  const small = device.storage("small", 5);
  const data = Float32Array.from({ length: 9 }, (_, i) => i / 4);
  const large = device.upload("large", data);
  assert.equal([small.size, large.size, device.allocatedBytes - before], [16, 48, 64]);
  assert.equal([...new Uint8Array(await device.read(small))], new Array(16).fill(0));
  assert.equal(new Float32Array(await device.read(large, 36)), data);
  assert.equal(new Float32Array(await device.read(large, 8, 16)), data.slice(4, 6));
  assert.equal(new Uint8Array(await device.read(large, 3, 4)), new Uint8Array(data.slice(1, 2).buffer).slice(0, 3));
  assert.is(device.allocatedBytes - before, 64, "reading leaves nothing behind");
  device.free([small, small]);
  assert.is(device.allocatedBytes - before, 48);
  device.free([large]);
  assert.is(device.allocatedBytes, before);
});

await withDevice("a buffer above the device's limit is refused with figures", async (device) => {
  const [storage, any] = [2 ** 20, 2 ** 21];
  lowerLimits(device, { maxStorageBufferBindingSize: storage, maxBufferSize: any });
  const before = device.allocatedBytes;
  for (
    const [usage, limit] of [[GPUBufferUsage.STORAGE, storage], [GPUBufferUsage.COPY_DST, any]] as const
  ) {
    for (const size of [limit + 1, limit + 16, 2 ** 52]) {
      const error = thrown(() => device.buffer("cache", size, usage));
      assert.instance(error, RangeError);
      assert.is(
        error!.message,
        `Cannot allocate "cache" on the test device (${device.adapter.name}): ${Math.ceil(size / 16) * 16} bytes, ` +
          `at most ${limit} in one buffer; use a smaller context or model`,
      );
    }
    assert.is(device.allocatedBytes, before);
    device.free([device.buffer("cache", limit, usage)]);
  }
});

await withDevice("pipelines of equal text are one, and share their layouts", async (device, gpu) => {
  let compiled = 0;
  const original = gpu.createComputePipelineAsync;
  gpu.createComputePipelineAsync = (...args) => {
    compiled++;
    return original.apply(gpu, args);
  };
  const [one, two] = await Promise.all([device.pipeline("one", DOUBLE), device.pipeline("two", DOUBLE)]);
  const other = await device.pipeline("other", DOUBLE.replace("2.0", "3.0"));
  assert.is(one, two);
  assert.is(compiled, 2);
  assert.is(one.layout, other.layout);

  const [y, x] = [device.storage("y", 16), device.upload("x", new Float32Array([21]))];
  const group = device.bind(one, [y, x]);
  for (const [pipeline, wanted] of [[one, 42], [other, 63]] as const) {
    const encoder = device.encoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline.gpu);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(1);
    pass.end();
    device.queue.submit([encoder.finish()]);
    assert.is(new Float32Array(await device.read(y))[0], wanted);
  }
});

await withDevice("a binding that a shader does not use stays in its layout", async (device) => {
  const pipeline = await device.pipeline("unused", DOUBLE.replace("2.0 * x[0]", "1.0"));
  device.bind(pipeline, [device.storage("y", 16), device.storage("x", 16)]);
});

await withDevice("a shader that does not compile is told with line, column and text", async (device) => {
  const error = await rejection(device.pipeline("wrong", DOUBLE.replace("x[0]", "z[0]")));
  assert.match(
    error.message,
    /^Cannot compile "wrong" for the test device: 4:\d+ [^\n]*'z'[^\n]* in "@compute [^\n]*z\[0\][^\n]*"$/,
  );
  device.check();
  await device.pipeline("right", DOUBLE);
});

await withDevice("an error that the device reports late is thrown by the next check, once", async (device) => {
  device.check();
  await misuse(device);
  const error = thrown(() => device.check());
  assert.match(error!.message, /^The test device reports: .*[Cc]opy/s);
  device.check();
  await misuse(device);
  await rejection(device.idle());
});

await withDevice("a lost device is named, in every check", async (device, gpu) => {
  gpu.destroy();
  await gpu.lost;
  for (let i = 0; i < 2; i++) {
    const error = thrown(() => device.check());
    assert.instance(error, DeviceLostError);
    assert.match(error!.message, /^The test device \(.+\) was lost: [^\n]+$/);
  }
  assert.instance(await rejection(device.idle()), DeviceLostError);
}, { endsLost: true });

await withDevice("timestamps are there where the device has them", async (device, gpu) => {
  assert.is(device.hasTimestamps, gpu.features.has("timestamp-query"));
  const set = device.timestamps(2);
  assert.is(set?.count, device.hasTimestamps ? 2 : undefined);
  set?.destroy();
});

test.run();
