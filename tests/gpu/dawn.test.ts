import { test } from "uvu";
import * as assert from "uvu/assert";
import { listAdapters } from "../../src/gpu/adapters.ts";
import { adapterNames, requestAdapter } from "../../src/gpu/dawn.ts";
import { getEnv, setEnv } from "../../src/platform/platform.ts";

const NO_DRIVER = { VK_DRIVER_FILES: "nothing.json", VK_ICD_FILENAMES: "nothing.json" };
// This is taken before Dawn is loaded, so it is not the shim.
const unshimmed = globalThis.setImmediate;
/** The request for the machine's strongest adapter, with the variables by which a Vulkan loader finds it. */
const { request } = (await listAdapters())[0]!;
const { environment } = request;

/** A function that runs a dispatch which keeps llvmpipe busy for about a tenth of a second, and waits for its end. */
async function longDispatch(gpu: GPUDevice): Promise<() => Promise<void>> {
  const code = `@group(0) @binding(0) var<storage, read_write> x: array<f32>;
    @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
      var v = f32(id.x);
      for (var i = 0u; i < 4000u; i++) { v = fma(v, 1.0001, 0.5) - floor(v * 0.001) * 1000.0; }
      x[id.x] = v;
    }`;
  const module = gpu.createShaderModule({ code });
  const pipeline = await gpu.createComputePipelineAsync({ layout: "auto", compute: { module } });
  const buffer = gpu.createBuffer({ size: 512 * 64 * 4, usage: GPUBufferUsage.STORAGE });
  const group = gpu.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [{ binding: 0, resource: { buffer } }],
  });
  return async () => {
    const encoder = gpu.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(512);
    pass.end();
    gpu.queue.submit([encoder.finish()]);
    await gpu.queue.onSubmittedWorkDone();
  };
}

async function open(): Promise<GPUDevice> {
  return await (await requestAdapter(request))!.requestDevice({ requiredFeatures: ["timestamp-query"] });
}

/** Runs a script in a process of its own, in which `gc()` collects garbage. */
async function runChild(code: string): Promise<{ code: number; stdout: string }> {
  const config = new URL("../../deno.json", import.meta.url).pathname;
  const args = ["eval", "--no-lock", "--config", config, "--v8-flags=--expose-gc", code];
  const { code: status, stdout } = await new Deno.Command(Deno.execPath(), { args }).output();
  return { code: status, stdout: new TextDecoder().decode(stdout) };
}

test("a device outlives collections of garbage, prints nothing to stdout, and its process ends by itself", async () => {
  const script = `
    import { listAdapters } from ${JSON.stringify(import.meta.resolve("../../src/gpu/adapters.ts"))};
    import { requestAdapter } from ${JSON.stringify(import.meta.resolve("../../src/gpu/dawn.ts"))};
    const { request } = (await listAdapters())[0];
    for (let i = 0; i < 3; i++) {
      const gpu = await (await requestAdapter(request)).requestDevice();
      const buffer = gpu.createBuffer({ size: 16, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
      for (let j = 0; j < 20; j++) {
        gc();
        await new Promise((resolve) => setTimeout(resolve, 1));
        gpu.queue.writeBuffer(buffer, 0, new Uint32Array([1, 2, 3, 4]));
        await buffer.mapAsync(GPUMapMode.READ);
        buffer.unmap();
      }
      gpu.destroy();
    }`;
  for (let i = 0; i < 3; i++) assert.equal(await runChild(script), { code: 0, stdout: "" });
});

test("while it waits for the GPU, Dawn polls a few times a millisecond at most", async () => {
  const gpu = await open();
  const run = await longDispatch(gpu);
  await run();
  const shim = globalThis.setImmediate;
  assert.is.not(shim, unshimmed);
  const pollsOf = async (immediate: typeof setImmediate) => {
    let polls = 0;
    globalThis.setImmediate = Object.assign((callback: () => void) => (polls++, immediate(callback)), unshimmed);
    const startMs = performance.now();
    await run();
    globalThis.setImmediate = shim;
    return { polls, ms: performance.now() - startMs };
  };
  const spun = await pollsOf(unshimmed);
  const { polls, ms } = await pollsOf(shim);
  // However busy the machine is, there is a nap of at least 0.2 ms for each two polls.
  assert.ok(polls < 10 * ms + 10, `${polls} polls with the shim in ${ms} ms`);
  assert.ok(spun.polls > 2 * polls, `${polls} polls with the shim, ${spun.polls} without`);
  gpu.destroy();
});

test("timestamps are not rounded", async () => {
  const gpu = await open();
  const run = await longDispatch(gpu);
  const querySet = gpu.createQuerySet({ type: "timestamp", count: 2 });
  const resolved = gpu.createBuffer({ size: 16, usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC });
  const read = gpu.createBuffer({ size: 16, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  await run();
  const encoder = gpu.createCommandEncoder();
  const timestampWrites = { querySet, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 };
  encoder.beginComputePass({ timestampWrites }).end();
  encoder.resolveQuerySet(querySet, 0, 2, resolved, 0);
  encoder.copyBufferToBuffer(resolved, 0, read, 0, 16);
  gpu.queue.submit([encoder.finish()]);
  await read.mapAsync(GPUMapMode.READ);
  const [begin, end] = new BigUint64Array(read.getMappedRange());
  assert.ok(begin! % 65536n !== 0n || end! % 65536n !== 0n, `${begin} and ${end} are multiples of 65 536`);
  gpu.destroy();
});

test("the environment is set while a driver is sought, for this request only", async () => {
  setEnv("VK_ICD_FILENAMES", undefined);
  const before = getEnv("VK_DRIVER_FILES");
  const found = requestAdapter({ environment: NO_DRIVER });
  assert.is(getEnv("VK_DRIVER_FILES"), before, "it is put back before anything else can run");
  assert.is(getEnv("VK_ICD_FILENAMES"), undefined);
  assert.is(await found, null);
  assert.equal(await adapterNames("high-performance", NO_DRIVER), []);
  assert.ok(await requestAdapter({ environment }));
});

test("the environment is put back where Dawn throws", async () => {
  const wrong = "no preference" as GPUPowerPreference;
  const error = await requestAdapter({ powerPreference: wrong, environment: { AMUSD_TEST: "1" } }).catch((e) => e);
  assert.instance(error, Error);
  assert.is(getEnv("AMUSD_TEST"), undefined);
});

test("adapters are found by the names that are listed, each time anew", async () => {
  const names = await adapterNames("high-performance", environment);
  assert.ok(names.length > 0);
  for (const { name, backend } of names) {
    assert.ok(backend);
    const [one, two] = await Promise.all([1, 2].map(() => requestAdapter({ name, environment })));
    assert.is.not(one, two);
    // An adapter serves one device only, so each must be a new one.
    for (const adapter of [one!, two!]) (await adapter.requestDevice()).destroy();
  }
  const error = await requestAdapter({ name: "no such adapter", environment }).catch((e) => e);
  assert.instance(error, Error);
});

test.run();
