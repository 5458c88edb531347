// The monitor against scripts on PATH that print what nvidia-smi prints (the words for unknown figures are those of its
// documentation), and against trees such as the drivers amdgpu and i915 make below /sys.

import { join } from "node:path";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { laneThreads, machineSource, processSource, shareSince } from "../../src/benchmark/monitor/cpu.ts";
import { cardSource } from "../../src/benchmark/monitor/drm-card.ts";
import { Monitor, type Watched } from "../../src/benchmark/monitor/monitor.ts";
import { NvidiaSmi, parseNvidiaLine } from "../../src/benchmark/monitor/nvidia-smi.ts";
import { type Reading, UNKNOWN } from "../../src/benchmark/monitor/reading.ts";

const folder = await Deno.makeTempDir();
const PATH = Deno.env.get("PATH")!;
const TWO_GPUS = [
  "00000000:65:00.0, NVIDIA GeForce RTX 4090, 97, 4123, 310.52",
  "00000000:B3:00.0, NVIDIA GeForce RTX 3060, 3, 512, [N/A]",
];
const MIB = 2 ** 20;

/** Puts a script on PATH as nvidia-smi, which notes how it was called. */
function putNvidiaSmi(script: string): void {
  Deno.writeTextFileSync(join(folder, "nvidia-smi"), `#!/bin/sh\necho "$@" >> "${folder}/calls"\n${script}\n`, {
    mode: 0o755,
  });
  Deno.env.set("PATH", `${folder}:${PATH}`);
}

const print = (lines: readonly string[]) => lines.map((line) => `echo '${line}'`).join("\n");

/** Waits until a process has printed; a test that waits in vain is ended by the runner. */
async function until<T>(read: () => T | Promise<T>, holds: (value: T) => boolean): Promise<T> {
  for (;;) {
    const value = await read();
    if (holds(value)) return value;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function adapter(name: string, more: Partial<Watched["adapter"]> = {}): Watched["adapter"] {
  return { name, driver: "", kind: "discrete", request: { name }, ...more };
}

test("a line of nvidia-smi is a GPU, or nothing", () => {
  assert.equal(parseNvidiaLine(TWO_GPUS[0]!), {
    address: "0000:65:00.0",
    name: "NVIDIA GeForce RTX 4090",
    utilization: 0.97,
    memoryBytes: 4123 * MIB,
    powerWatts: 310.52,
  });
  for (const word of ["[N/A]", "N/A", "[Not Supported]", "[Unknown Error]", "[GPU is lost]", "", "nan", "-1"]) {
    const gpu = parseNvidiaLine(`00000000:65:00.0, Tesla T4, ${word}, ${word}, ${word}`)!;
    assert.equal([gpu.utilization, gpu.memoryBytes, gpu.powerWatts], [null, null, null], word);
  }
  assert.is(parseNvidiaLine("00000000:65:00.0, Tesla T4, 101, 1, 1")!.utilization, null);
  assert.is(parseNvidiaLine("00000000:65:00.0, Tesla T4, 0, 0, 0.00")!.utilization, 0);
  for (
    const line of [
      "",
      "No devices were found",
      "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.",
      "pci.bus_id, name, utilization.gpu [%], memory.used [MiB], power.draw [W]",
      TWO_GPUS[0]!.slice(0, 45),
      `${TWO_GPUS[0]}, 1`,
    ]
  ) assert.is(parseNvidiaLine(line), null, line);
});

test("two GPUs are told apart by address and by name, and one process tells of both", async () => {
  putNvidiaSmi(`printf 'garbage\\n\\377\\376, , ,\\n'\n${print(TWO_GPUS)}\nexec sleep 1000`);
  Deno.writeTextFileSync(join(folder, "calls"), "");
  const smi = new NvidiaSmi(200);
  const now = () => performance.now();
  const first = await until(
    () => smi.read("geforce rtx 4090", undefined, now()),
    ({ powerWatts }) => powerWatts !== null,
  );
  assert.equal(first, { utilization: 0.97, memoryBytes: 4123 * MIB, powerWatts: 310.52 });
  const second: Reading = { utilization: 0.03, memoryBytes: 512 * MIB, powerWatts: null };
  await until(() => smi.read("", "0000:b3:00.0", now()), ({ utilization }) => utilization !== null);
  assert.equal(smi.read("NVIDIA GeForce RTX 4090", "0000:b3:00.0", now()), second, "the address outranks the name");
  assert.equal(smi.read("NVIDIA GeForce RTX 3060", undefined, now()), second);
  assert.equal(smi.read("NVIDIA H100", undefined, now()), UNKNOWN);
  assert.equal(smi.read("NVIDIA GeForce RTX 3060", "0000:01:00.0", now()), UNKNOWN);
  assert.equal(smi.read("NVIDIA GeForce RTX 3060", undefined, now() + 60_000), UNKNOWN, "a hanging nvidia-smi");
  smi.close();
  assert.is(
    Deno.readTextFileSync(join(folder, "calls")),
    "--query-gpu=pci.bus_id,name,utilization.gpu,memory.used,power.draw --format=csv,noheader,nounits -lms 200\n",
  );
});

test("an nvidia-smi that dies, fails or isn't there costs figures and nothing else", async () => {
  const card = { name: "verify", adapter: adapter("NVIDIA GeForce RTX 4090") };
  const dead = { name: "verify", ...UNKNOWN };
  const fifo = join(folder, "end");
  await new Deno.Command("mkfifo", { args: [fifo] }).output();
  putNvidiaSmi(`${print(TWO_GPUS)}\nread line < '${fifo}'\nexit 15`);
  const smi = new NvidiaSmi(200);
  // At time 0 no figure is too old: it goes only because the process has ended.
  const read = () => smi.read("NVIDIA GeForce RTX 4090", undefined, 0);
  await until(read, ({ powerWatts }) => powerWatts !== null);
  Deno.writeTextFileSync(fifo, "now\n");
  assert.equal(await until(read, ({ powerWatts }) => powerWatts === null), UNKNOWN);
  smi.close();

  for (const path of [folder, "/nonexistent"]) {
    putNvidiaSmi("echo 'NVIDIA-SMI has failed' >&2; exit 9");
    Deno.env.set("PATH", path);
    const monitor = await Monitor.open([card], { cpu: () => UNKNOWN });
    const stop = monitor.watch();
    assert.equal((await stop()).map(({ devices }) => devices), [[dead], [dead]]);
    monitor.close();
  }
  Deno.env.set("PATH", PATH);
});

test("what nobody stops keeps no process alive", async () => {
  putNvidiaSmi(`${print(TWO_GPUS)}\nexec sleep 1000`);
  const module = new URL("../../src/benchmark/monitor/monitor.ts", import.meta.url).href;
  const script = `import { Monitor } from "${module}";
    const request = {};
    const adapter = { name: "NVIDIA GeForce RTX 4090", driver: "", kind: "discrete", request };
    const monitor = await Monitor.open([{ name: "verify", adapter }], { cpu: () => null });
    monitor.watch();
    console.log("end");`;
  const file = join(folder, "unstopped.ts");
  Deno.writeTextFileSync(file, script);
  const config = new URL("../../deno.json", import.meta.url).pathname;
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--config", config, file],
  }).output();
  assert.is(new TextDecoder().decode(stdout), "end\n");
  assert.is(code, 0);
  Deno.env.set("PATH", PATH);
});

/** Makes a /sys with cards; each is given by the files of its device folder. */
function fakeSys(name: string, cards: readonly Readonly<Record<string, string>>[]): string {
  const root = join(folder, name);
  for (const [i, files] of cards.entries()) {
    for (const [file, content] of Object.entries(files)) {
      const path = join(root, "class/drm", `card${i}`, "device", file);
      Deno.mkdirSync(join(path, ".."), { recursive: true });
      Deno.writeTextFileSync(path, content);
    }
    // Connectors stand beside the cards.
    Deno.mkdirSync(join(root, "class/drm", `card${i}-DP-1`), { recursive: true });
  }
  return root;
}

const RADEON = {
  vendor: "0x1002\n",
  uevent: "DRIVER=amdgpu\nPCI_SLOT_NAME=0000:03:00.0\n",
  gpu_busy_percent: "84\n",
  mem_info_vram_total: "17163091968\n",
  mem_info_vram_used: "1073741824\n",
  "hwmon/hwmon4/power1_average": "213000000\n",
};
const APU = {
  ...RADEON,
  uevent: "PCI_SLOT_NAME=0000:0C:00.0\n",
  gpu_busy_percent: "5\n",
  mem_info_vram_total: "536870912\n",
  mem_info_vram_used: "[garbage]\n",
  "hwmon/hwmon4/power1_average": "",
  "hwmon/hwmon5/power1_input": "12500000\n",
};
const ARC = { vendor: "0x8086\n", uevent: "PCI_SLOT_NAME=0000:04:00.0\n", "hwmon/hwmon2/energy1_input": "5000000\n" };
const RADEON_READING: Reading = { utilization: 0.84, memoryBytes: 2 ** 30, powerWatts: 213 };
const APU_READING: Reading = { utilization: 0.05, memoryBytes: null, powerWatts: 12.5 };

test("AMD's and Intel's cards are found, and read", async () => {
  const root = fakeSys("sys", [APU, RADEON, ARC]);
  const amd = adapter("AMD Radeon RX 7800 XT (RADV NAVI32)");
  const read = async (...args: Parameters<typeof cardSource>) => await (await cardSource(...args))?.(0);
  assert.equal(await read(amd, "0000:03:00.0", root), RADEON_READING);
  assert.equal(await read(amd, "0000:0c:00.0", root), APU_READING);
  assert.equal(await read(amd, undefined, root), RADEON_READING);
  assert.equal(await read({ ...amd, kind: "integrated" }, undefined, root), APU_READING);
  assert.is(await cardSource({ ...amd, kind: "unknown" }, undefined, root), null);
  assert.is(await cardSource(amd, "0000:ff:00.0", root), null);
  assert.is(await cardSource(adapter("Apple M3"), undefined, root), null);
  assert.is(await cardSource(amd, undefined, join(folder, "none")), null);

  const arc = (await cardSource(adapter("Intel(R) Arc(tm) A770 Graphics (DG2)"), undefined, root))!;
  assert.equal(await arc(1000), UNKNOWN, "one figure of an energy is no power");
  const energy = join(root, "class/drm/card2/device/hwmon/hwmon2/energy1_input");
  Deno.writeTextFileSync(energy, "14000000\n");
  assert.equal(await arc(1200), { ...UNKNOWN, powerWatts: 45 });
  Deno.writeTextFileSync(energy, "10\n");
  assert.equal(await arc(1400), UNKNOWN, "the driver was loaded anew");
});

test("lanes on one device are sampled once, each device by what tells of it", async () => {
  const cpu: Reading = { utilization: 0.5, memoryBytes: 1, powerWatts: null };
  const open = (...adapters: Watched["adapter"][]) =>
    Monitor.open(adapters.map((adapter, i) => ({ name: ["verify", "draft"][i]!, adapter })), {
      cpu: () => cpu,
      sysfs: fakeSys("lanes", [RADEON]),
    });
  const devicesOf = async (...adapters: Watched["adapter"][]) => (await (await open(...adapters)).sample()).devices;
  const software = adapter("llvmpipe", { kind: "software" });
  const radeon = adapter("AMD Radeon RX 7800 XT (RADV NAVI32)");
  assert.equal(await devicesOf(software, adapter("SwiftShader", { kind: "software" })), [
    { name: "verify, draft", ...cpu },
  ]);
  assert.equal(await devicesOf(radeon, software), [
    { name: "verify", ...RADEON_READING },
    { name: "draft", ...cpu },
  ]);
  assert.equal((await devicesOf(radeon, radeon)).map(({ name }) => name), ["verify, draft"]);
  const twin = (address: string) => ({
    ...radeon,
    request: { name: radeon.name, environment: { DRI_PRIME: `pci-0000_${address}_00_0` } },
  });
  assert.equal(await devicesOf(twin("03"), twin("04")), [
    { name: "verify", ...RADEON_READING },
    { name: "draft", ...UNKNOWN },
  ]);

  const monitor = await open(software);
  const stop = monitor.watch();
  const samples = await stop();
  assert.is(samples.length, 2, "one as it begins, one as it ends");
  assert.ok(samples[0]!.ms <= samples[1]!.ms);
});

test("the CPU's share is that of the time since the sample before", () => {
  const share = shareSince(10, 100);
  assert.equal([share(15, 110), share(15, 110), share(40, 120), share(40, 140)], [0.5, null, 1, 0]);

  const startMs = performance.now();
  const one = processSource(1, startMs);
  let endMs = startMs;
  while (endMs < startMs + 30) endMs = performance.now();
  const { utilization, memoryBytes, powerWatts } = one(endMs) as Reading;
  // Another process may have taken most of the core.
  assert.ok(utilization! > 0 && utilization! <= 1, `${utilization}`);
  assert.ok(memoryBytes! > 10 * MIB);
  assert.is(powerWatts, null);
  assert.ok((machineSource()(0) as Reading).memoryBytes! > 10 * MIB);
  assert.ok(laneThreads(1) >= 1 && laneThreads(2) <= Math.max(1, navigator.hardwareConcurrency));
});

test.run();
