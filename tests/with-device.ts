import { test } from "uvu";
import { type AdapterInfo, listAdapters, openDevice } from "../src/gpu/adapters.ts";
import { Device } from "../src/gpu/device.ts";
import { getEnv, setEnv } from "../src/platform/platform.ts";
import { DRIVER_VARIABLE } from "../src/gpu/drivers/software-adapter.ts";

/** The machine's strongest adapter ("default"), or SwiftShader, which can be had beside any other driver. */
export type TestAdapter = "default" | "swiftshader";

export interface WithDeviceOptions {
  readonly adapter?: TestAdapter;
  /** Whether the body ends with the device lost, so that nothing can be waited for afterwards. */
  readonly endsLost?: boolean;
}

const found = new Map<TestAdapter, Promise<AdapterInfo | Error>>();

/**
 * Registers a test that gets an open device, which has one thread where the CPU computes. The test fails on any error
 * that the device reports, validation errors too, and the device is always closed. Without an adapter the test is
 * skipped with a printed line, and fails in CI. `gpu` is the WebGPU device behind `device`, by which a test can count
 * calls or lose the device.
 */
export async function withDevice(
  name: string,
  body: (device: Device, gpu: GPUDevice) => Promise<void>,
  { adapter = "default", endsLost = false }: WithDeviceOptions = {},
): Promise<void> {
  const info = await adapterInfo(adapter);
  const title = adapter === "default" ? name : `${name} (${adapter})`;
  if (info instanceof Error && !getEnv("CI")) {
    console.log(`skipped, there is no ${adapter} adapter: ${title}: ${info.message}`);
    return test.skip(title, () => {});
  }
  test(title, async () => {
    if (info instanceof Error) throw info;
    const opened = await openDevice({ adapter: info, label: "test", threads: 1 });
    const device = new Device(opened);
    try {
      await body(device, opened.gpu);
      if (!endsLost) await device.idle();
    } finally {
      device.close();
    }
  });
}

/** Opens a device for several tests, which close it. Gives `null` without an adapter; withDevice tells why. */
export async function openTestDevice(): Promise<Device | null> {
  const info = await adapterInfo("default");
  return info instanceof Error ? null : new Device(await openDevice({ adapter: info, label: "test", threads: 1 }));
}

function adapterInfo(adapter: TestAdapter): Promise<AdapterInfo | Error> {
  if (!found.has(adapter)) found.set(adapter, findTestAdapter(adapter).catch((error: Error) => error));
  return found.get(adapter)!;
}

/**
 * The adapter itself. A GPU runs SwiftShader's tests too: those are for kernels with barriers, which llvmpipe is slow
 * to compile. Rejects with an Error where there is no such adapter.
 */
export async function findTestAdapter(adapter: TestAdapter): Promise<AdapterInfo> {
  if (adapter === "default") return (await listAdapters())[0]!;
  const strongest = await listAdapters().then(([first]) => first, () => undefined);
  if (strongest && strongest.kind !== "software") return strongest;
  const before = getEnv(DRIVER_VARIABLE);
  setEnv(DRIVER_VARIABLE, adapter);
  try {
    return (await listAdapters())[0]!;
  } finally {
    setEnv(DRIVER_VARIABLE, before);
  }
}
