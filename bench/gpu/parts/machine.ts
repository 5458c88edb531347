// The machine: its adapters, and how fast the first one reads, copies, multiplies and answers.

import process from "node:process";
import { chooseAdapters, listAdapters, openDevice } from "../../../src/gpu/adapters.ts";
import { requestAdapter } from "../../../src/gpu/dawn.ts";
import { Device } from "../../../src/gpu/device.ts";
import { KernelContext } from "../../../src/kernels/kernel-context.ts";
import { possibleVariants } from "../../../src/kernels/kernel-variant.ts";
import { measurePeak } from "../../../src/kernels/peak/peak.ts";
import { median } from "../../../src/util/numbers.ts";
import { partOptions, tell, timed } from "../part.ts";

const { scale } = partOptions();
const COPIED_BYTES = scale === "full" ? 2 ** 30 : 2 ** 24;
const COPIES = 8;
const ROUND_TRIPS = 200;

const adapters = await listAdapters();
for (const { request, limits, ...info } of adapters) {
  const raw = (await requestAdapter(request))!.info as GPUAdapterInfo & { subgroupMatrixConfigs?: Iterable<object> };
  const matrices = [...raw.subgroupMatrixConfigs ?? []].map((config) => JSON.stringify(config));
  tell(`adapter ${info.index}`, { ...info, limits, subgroupMatrices: matrices });
}
tell("host", { os: process.platform, cpus: navigator.hardwareConcurrency, deno: Deno.version.deno });

const device = new Device(await openDevice(chooseAdapters(adapters).verify));
tell("variants", { possible: possibleVariants(device).map(({ name }) => name) });
const peak = await measurePeak(new KernelContext(device));
tell("reading", { GBs: peak.bytesPerMs / 1e6 });
tell("multiply-adds", { TFMAs: peak.multiplyAddsPerMs / 1e9 });

const bytes = Math.min(COPIED_BYTES, device.limits.maxBufferSize!);
const [from, to] = ["from", "to"].map((label) => device.storage(`copy ${label}`, bytes));
const copy = () =>
  timed(async () => {
    const encoder = device.encoder();
    for (let i = 0; i < COPIES; i++) encoder.copyBufferToBuffer(from!, 0, to!, 0, bytes);
    device.queue.submit([encoder.finish()]);
    await device.idle();
  });
await copy();
const copyMs: number[] = [];
for (let round = 0; round < 5; round++) copyMs.push((await copy()).ms / COPIES);
tell("copying, read and write", { GBs: 2 * bytes / Math.min(...copyMs) / 1e6 });

const trips: number[] = [];
for (let i = 0; i < ROUND_TRIPS; i++) trips.push((await timed(() => device.read(from!, 16))).ms);
tell("round trip", { medianMs: median(trips), leastMs: Math.min(...trips) });
device.close();
