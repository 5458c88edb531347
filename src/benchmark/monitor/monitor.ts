import { setInterval } from "node:timers";
import type { AdapterInfo } from "../../gpu/adapters.ts";
import type { DeviceSample, MonitorSample } from "../results.ts";
import { cardSource } from "./drm-card.ts";
import { NvidiaSmi } from "./nvidia-smi.ts";
import { type Source, UNKNOWN } from "./reading.ts";

/** Time between two samples in a benchmark. nvidia-smi has a new figure every 100 ms or so. */
export const INTERVAL_MS = 200;

/** An adapter to look at, and the name that its samples get. */
export interface Watched {
  readonly name: string;
  readonly adapter: Pick<AdapterInfo, "name" | "driver" | "kind" | "request">;
}

export interface MonitorOptions {
  /** Reads the CPU, which all software adapters share. */
  readonly cpu: Source;
  readonly intervalMs?: number;
  /** Where Linux's sysfs is mounted; default "/sys". */
  readonly sysfs?: string;
}

/**
 * Looks at devices while they work: NVIDIA's through nvidia-smi, AMD's and Intel's through sysfs, software adapters
 * through the CPU. It never throws for what a machine can't tell, and never keeps the process alive.
 */
export class Monitor {
  readonly #devices: readonly { readonly name: string; readonly read: Source }[];
  readonly #smi: NvidiaSmi | null;
  readonly #intervalMs: number;

  private constructor(
    devices: Map<string, { names: string[]; read: Source }>,
    smi: NvidiaSmi | null,
    intervalMs: number,
  ) {
    this.#devices = [...devices.values()].map(({ names, read }) => ({ name: names.join(", "), read }));
    this.#smi = smi;
    this.#intervalMs = intervalMs;
  }

  /** Lanes that share one device give one sample, under all their names: "verify, draft". */
  static async open(watched: readonly Watched[], options: MonitorOptions): Promise<Monitor> {
    const { cpu, intervalMs = INTERVAL_MS, sysfs } = options;
    const smi = watched.some(isNvidia) ? new NvidiaSmi(intervalMs) : null;
    const devices = new Map<string, { names: string[]; read: Source }>();
    for (const one of watched) {
      const { name, adapter } = one;
      const address = addressOf(adapter.request.environment?.DRI_PRIME);
      const key = adapter.kind === "software" ? "cpu" : address ?? adapter.name;
      const same = devices.get(key);
      if (same) {
        same.names.push(name);
        continue;
      }
      const read: Source = adapter.kind === "software"
        ? cpu
        : isNvidia(one)
        ? (nowMs) => smi!.read(adapter.name, address, nowMs)
        : await cardSource(adapter, address, sysfs) ?? (() => UNKNOWN);
      devices.set(key, { names: [name], read });
    }
    return new Monitor(devices, smi, intervalMs);
  }

  /** Looks at all devices once. */
  async sample(): Promise<MonitorSample> {
    const ms = performance.now();
    const devices = await Promise.all(
      this.#devices.map(async ({ name, read }): Promise<DeviceSample> => ({ name, ...await read(ms) })),
    );
    return { ms, devices };
  }

  /** Samples from now on. The function that it returns takes a last sample, ends that and returns them all. */
  watch(): () => Promise<MonitorSample[]> {
    const samples: MonitorSample[] = [];
    let underWay = false;
    const take = async () => {
      underWay = true;
      samples.push(await this.sample());
      underWay = false;
    };
    let last = take();
    const timer = setInterval(() => {
      // A device that is slow to answer is not asked again while it does.
      if (!underWay) last = take();
    }, this.#intervalMs);
    timer.unref();
    return async () => {
      clearInterval(timer);
      await last;
      await take();
      return samples;
    };
  }

  close(): void {
    this.#smi?.close();
  }
}

function isNvidia({ adapter: { name, driver, kind } }: Watched): boolean {
  return kind !== "software" && /nvidia|geforce/i.test(`${name} ${driver}`);
}

/** The PCI address in "pci-0000_65_00_0", by which one of several GPUs of the same name is asked for. */
function addressOf(prime: string | undefined): string | undefined {
  return prime?.replace(/^pci-(\w{4})_(\w{2})_(\w{2})_(\w)$/, "$1:$2:$3.$4").toLowerCase();
}
