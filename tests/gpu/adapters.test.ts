import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  type AdapterInfo,
  type AdapterKind,
  chooseAdapters,
  findAdapter,
  kindsByOrder,
  listAdapters,
  openDevice,
} from "../../src/gpu/adapters.ts";
import { getEnv, setEnv } from "../../src/platform/platform.ts";
import { findTestAdapter } from "../with-device.ts";

const installed = await listAdapters();
/** The adapter SwiftShader, where it is in the user's cache or can be fetched. */
const swiftShader = await findTestAdapter("swiftshader").then(
  (adapter) => [adapter],
  (error) => (console.log(`skipped on SwiftShader: ${error.message}`), []),
);
const onAll = [...installed, ...swiftShader.filter(({ name }) => installed.every((other) => other.name !== name))];

/** Sets environment variables while `run` runs. */
async function withVariables<T>(variables: Readonly<Record<string, string>>, run: () => Promise<T>): Promise<T> {
  const before = Object.keys(variables).map((name) => [name, getEnv(name)] as const);
  for (const [name, value] of Object.entries(variables)) setEnv(name, value);
  return await run().finally(() => before.forEach(([name, value]) => setEnv(name, value)));
}

function adapter(index: number, name: string, kind: AdapterKind): AdapterInfo {
  return { ...installed[0]!, index, name, kind };
}
const FOUR = [
  adapter(0, "NVIDIA GeForce RTX 4090", "discrete"),
  adapter(1, "Intel(R) Graphics", "integrated"),
  adapter(2, "llvmpipe (LLVM 15.0.6, 256 bits)", "software"),
  adapter(3, "SwiftShader Device (Subzero)", "software"),
];

function thrown(run: () => unknown): Error {
  try {
    run();
  } catch (error) {
    return error as Error;
  }
  throw new Error("nothing was thrown");
}

/** Writes four numbers on a device and reads them back. */
async function roundTrip(gpu: GPUDevice, values: number[]): Promise<number[]> {
  const buffer = gpu.createBuffer({ size: 16, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  gpu.queue.writeBuffer(buffer, 0, new Uint32Array(values));
  gpu.queue.submit([]);
  await buffer.mapAsync(GPUMapMode.READ);
  const read = [...new Uint32Array(buffer.getMappedRange())];
  buffer.destroy();
  return read;
}

test("the list tells what one needs to choose", () => {
  installed.forEach(({ index, name, driver, kind, backend, features, limits, subgroupSizes }, i) => {
    assert.is(index, i);
    assert.ok(name && driver && backend && ["discrete", "integrated", "software", "unknown"].includes(kind));
    assert.ok(
      features.length > 0 && limits.maxBufferSize! >= 256 * 2 ** 20 && limits.maxStorageBuffersPerShaderStage! >= 8,
    );
    assert.ok(subgroupSizes === null || subgroupSizes[0] <= subgroupSizes[1]);
    if (/llvmpipe|SwiftShader/.test(name)) assert.is(kind, "software");
  });
  assert.equal(installed, JSON.parse(JSON.stringify(installed)), "plain data");
});

test("an adapter is chosen by its index or a part of its name", () => {
  assert.is(findAdapter(FOUR, "0"), FOUR[0]);
  assert.is(findAdapter(FOUR, " 3 "), FOUR[3]);
  assert.is(findAdapter(FOUR, "INTEL"), FOUR[1]);
  assert.is(findAdapter(FOUR, "4090"), FOUR[0], "a number that is no index is looked for in the names");
  assert.is(findAdapter(FOUR, "device"), FOUR[3]);
  for (const selector of ["77", "Radeon", "", "  "]) {
    const error = thrown(() => findAdapter(FOUR, selector));
    assert.instance(error, RangeError);
    const list = FOUR.map(({ index, name }) => `${index} "${name}"`).join(", ");
    assert.is(error.message, `Cannot use device "${selector}": no adapter has this index or name; there is ${list}`);
  }
});

test("the verify model gets the strongest adapter, the draft model another GPU or the same", () => {
  const chosen = (adapters: AdapterInfo[], draft?: string, verify?: string) => {
    const choice = chooseAdapters(adapters, draft, verify);
    assert.equal([choice.draft.label, choice.verify.label], ["draft", "verify"]);
    return [choice.draft.adapter, choice.verify.adapter].map(({ index }) => index);
  };
  assert.equal(chosen(FOUR), [1, 0]);
  assert.equal(chosen([FOUR[0]!, adapter(1, FOUR[0]!.name, "discrete")]), [1, 0], "two GPUs of one name");
  assert.equal(chosen([FOUR[0]!, FOUR[2]!]), [0, 0], "a CPU is no help to a GPU");
  assert.equal(chosen([FOUR[2]!, FOUR[3]!]), [2, 2]);
  assert.equal(chosen(FOUR, "0"), [0, 0]);
  assert.equal(chosen(FOUR, undefined, "1"), [0, 1]);
  assert.equal(chosen(FOUR, "swift", "llvm"), [3, 2]);
});

test("a middle model gets a GPU of its own before the draft model, or shares the verify model's", () => {
  const chosen = (adapters: AdapterInfo[], draft?: string, verify?: string, middleSelector?: string) => {
    const choice = chooseAdapters(adapters, draft, verify, { middleSelector });
    assert.is(choice.middle!.label, "middle");
    return [choice.draft.adapter, choice.middle!.adapter, choice.verify.adapter].map(({ index }) => index);
  };
  const gpu = (index: number) => adapter(index, `GPU ${index}`, "discrete");
  assert.equal(chosen([gpu(0), gpu(1), gpu(2)]), [2, 1, 0]);
  assert.equal(chosen([gpu(0), gpu(1)]), [1, 1, 0]);
  assert.equal(chosen([gpu(0)]), [0, 0, 0]);
  assert.equal(chosen([gpu(0), gpu(1), gpu(2)], undefined, undefined, "2"), [1, 2, 0]);
  assert.equal(chosen([FOUR[2]!, FOUR[3]!]), [2, 2, 2]);
  const third = Math.max(1, Math.floor(navigator.hardwareConcurrency / 3));
  const { draft, middle, verify } = chooseAdapters([FOUR[2]!], undefined, undefined, { middleSelector: undefined });
  assert.equal([draft.threads, middle!.threads, verify.threads], [third, third, third]);
});

test("two devices that compute on the CPU share its cores", () => {
  const threads = (draft: string, verify: string) => {
    const choice = chooseAdapters(FOUR, draft, verify);
    return [choice.draft.threads, choice.verify.threads];
  };
  const half = Math.max(1, Math.floor(navigator.hardwareConcurrency / 2));
  assert.equal(threads("2", "2"), [half, half]);
  assert.equal(threads("2", "0"), [undefined, undefined]);
});

test("kinds follow from how Dawn sorts for power and for performance", () => {
  const machine = fc.record({ discrete: fc.nat(3), integrated: fc.nat(2), software: fc.nat(2) });
  fc.assert(fc.property(machine, ({ discrete, integrated, software }) => {
    const some = (count: number, kind: AdapterKind) =>
      Array.from({ length: count }, (_, i) => ({ name: `${kind} ${i}`, backend: "vulkan", kind }));
    const [d, i, s] = [some(discrete, "discrete"), some(integrated, "integrated"), some(software, "software")];
    const high = [...d, ...i, ...s];
    const known = discrete > 0 && integrated > 0;
    const wanted = high.map(({ kind }) => known && kind !== "software" ? kind : "unknown");
    assert.equal(kindsByOrder(high, [...i, ...d, ...s]), wanted);
  }));
});

for (const info of onAll) {
  test(`${info.name}: a device has all the limits and features that are listed`, async () => {
    const { gpu, adapter, label, software } = await openDevice({ adapter: info, label: "verify" });
    assert.equal([adapter, label, software, gpu.label], [info, "verify", info.kind === "software", "verify"]);
    const granted = gpu.limits as unknown as Record<string, number>;
    for (const [name, value] of Object.entries(info.limits)) assert.is(granted[name], value, name);
    for (const feature of ["shader-f16", "subgroups", "subgroup-size-control", "timestamp-query"]) {
      assert.is(gpu.features.has(feature), info.features.includes(feature), feature);
    }
    assert.equal(await roundTrip(gpu, [1, 2, 3, 4]), [1, 2, 3, 4]);
    gpu.destroy();
  });

  test(`${info.name}: two devices on one adapter know nothing of each other`, async () => {
    const { draft, verify } = chooseAdapters([info], "0", "0");
    const [one, two] = await Promise.all([openDevice(draft), openDevice(verify)]);
    assert.equal(await Promise.all([roundTrip(one.gpu, [1, 2, 3, 4]), roundTrip(two.gpu, [5, 6, 7, 8])]), [
      [1, 2, 3, 4],
      [5, 6, 7, 8],
    ]);
    one.gpu.destroy();
    assert.is((await one.gpu.lost).reason, "destroyed");
    assert.equal(await roundTrip(two.gpu, [9, 8, 7, 6]), [9, 8, 7, 6]);
    two.gpu.destroy();
  });
}

const llvmpipe = Deno.build.os === "linux" ? installed.find(({ name }) => name.startsWith("llvmpipe")) : undefined;
if (!llvmpipe) console.log("skipped: llvmpipe's threads and its place in the list, there is none");
(llvmpipe ? test : test.skip)("an llvmpipe device gets its threads, or as many as LP_NUM_THREADS says", async () => {
  const countThreads = () => {
    const names = [...Deno.readDirSync("/proc/self/task")]
      .map(({ name }) => Deno.readTextFileSync(`/proc/self/task/${name}/comm`));
    return names.filter((name) => name.startsWith("llvmpipe")).length;
  };
  const before = getEnv("LP_NUM_THREADS");
  const opened: GPUDevice[] = [];
  const added = async (threads: number, users?: string) => {
    setEnv("LP_NUM_THREADS", users);
    const count = countThreads();
    opened.push((await openDevice({ adapter: llvmpipe!, label: "draft", threads })).gpu);
    assert.is(getEnv("LP_NUM_THREADS"), users);
    // A thread gives itself its name some time after its start, so the count is taken once it stays the same.
    for (let [seen, equal] = [-1, 0]; equal < 20; equal = countThreads() === seen ? equal + 1 : 0) {
      seen = countThreads();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return countThreads() - count;
  };
  // With one thread llvmpipe computes on its queue's thread. For more it starts as many for rasterising again.
  const [one, three, users] = [await added(1), await added(3), await added(3, "1")];
  assert.is(one, 0);
  assert.ok(users > 0 && three === 3 * users, `${users} threads for 1 by LP_NUM_THREADS, ${three} for 3`);
  setEnv("LP_NUM_THREADS", before);
  for (const gpu of opened) gpu.destroy();
});

const onBoth = llvmpipe && swiftShader.length ? test : test.skip;
onBoth("SwiftShader is listed after llvmpipe, whatever the loader's order", async () => {
  const lavapipe = llvmpipe!.request.environment!.VK_DRIVER_FILES ?? "/usr/share/vulkan/icd.d/lvp_icd.json";
  const drivers = [swiftShader[0]!.request.environment!.VK_DRIVER_FILES!, lavapipe];
  for (const VK_DRIVER_FILES of [drivers.join(":"), drivers.toReversed().join(":")]) {
    const adapters = await withVariables({ VK_DRIVER_FILES }, listAdapters);
    assert.match(adapters.at(-1)!.name, "SwiftShader");
    assert.equal(adapters.map(({ index }) => index), [...adapters.keys()]);
  }
});

test("after a submission Dawn polls without pause", async () => {
  const { gpu } = await openDevice({ adapter: installed[0]!, label: "verify" });
  const realTimeout = globalThis.setTimeout;
  let timers = 0;
  const counting = (callback: () => void, ms: number) => (timers++, realTimeout(callback, ms));
  globalThis.setTimeout = Object.assign(counting, realTimeout);
  // To the shim, a bound function that asks for itself again while it runs is like Dawn's poll.
  const pollsAtOnce = () =>
    new Promise<boolean>((resolve) => {
      const poll = () => {
        const before = timers;
        setImmediate((() => {}).bind(null));
        resolve(timers === before);
      };
      gpu.queue.submit([]);
      setImmediate(poll.bind(null));
    });
  const polled = [];
  // On a busy machine the time without naps may be over before the first poll, but not a hundred times in a row.
  for (let i = 0; i < 100; i++) polled.push(await pollsAtOnce());
  globalThis.setTimeout = realTimeout;
  assert.ok(polled.includes(true));
  gpu.destroy();
});

test("a device that cannot be opened is named", async () => {
  const gone = { ...installed[0]!, name: "gone", request: { name: "no such adapter" } };
  const error = await openDevice({ adapter: gone, label: "draft" }).catch((e) => e);
  assert.instance(error, Error);
  assert.match(error.message, /^Cannot open "gone" as draft device: [^\n]+$/);
});

test.run();
