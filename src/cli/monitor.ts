import { buildCommand } from "@stricli/core";
import process from "node:process";
import { setTimeout } from "node:timers/promises";
import { machineSource } from "../benchmark/monitor/cpu.ts";
import { Monitor } from "../benchmark/monitor/monitor.ts";
import type { DeviceSample } from "../benchmark/results.ts";
import { listAdapters } from "../gpu/adapters.ts";
import { count } from "./flags.ts";

interface MonitorFlags {
  readonly count?: number;
  readonly interval: number;
  readonly json: boolean;
}

export const monitorCommand = buildCommand({
  docs: {
    brief: "Show what the devices do, until Ctrl-C",
    fullDescription:
      "Shows how busy each device is, its memory and its power: a table that is drawn anew in a terminal, else a " +
      "line a sample. NVIDIA's figures are nvidia-smi's, AMD's and Intel's those of Linux's drivers, and for " +
      "software adapters those of the whole machine's CPU. A figure that can't be told is \"-\", in JSON null.",
  },
  parameters: {
    flags: {
      count: { kind: "parsed", parse: count(1), brief: "End after N samples", placeholder: "N", optional: true },
      interval: {
        kind: "parsed",
        parse: count(50),
        brief: "Between samples, in ms",
        placeholder: "MS",
        default: "1000",
      },
      json: { kind: "boolean", brief: "A JSON object a line", default: false },
    },
  },
  func: async ({ count = Infinity, interval, json }: MonitorFlags) => {
    const adapters = await listAdapters();
    const monitor = await Monitor.open(adapters.map((adapter) => ({ name: adapter.name, adapter })), {
      cpu: machineSource(),
      // nvidia-smi prints at this interval, and a figure older than two seconds counts as unknown.
      intervalMs: Math.min(interval, 1000),
    });
    const abort = new AbortController();
    const onSignal = () => abort.abort();
    process.on("SIGINT", onSignal);
    try {
      const show = json ? showJson : process.stdout.isTTY ? tableShower() : showLine;
      for (let shown = 0; shown < count; shown++) {
        // Busy shares are those of the time since the sample before, so the first sample is waited for, too.
        await setTimeout(interval, null, { signal: abort.signal });
        show((await monitor.sample()).devices);
      }
    } catch (error) {
      if (!abort.signal.aborted) throw error;
    } finally {
      process.off("SIGINT", onSignal);
      monitor.close();
    }
  },
});

function showJson(devices: readonly DeviceSample[]): void {
  console.log(JSON.stringify({ time: new Date().toISOString(), devices }));
}

function showLine(devices: readonly DeviceSample[]): void {
  const parts = devices.map((device) => `${device.name}: ${figuresOf(device).join(", ")}`);
  console.log(`${new Date().toISOString()}  ${parts.join("; ")}`);
}

/** Returns a function that draws each table over the one before. */
function tableShower(): (devices: readonly DeviceSample[]) => void {
  let lines = 0;
  return (devices) => {
    const { columns = 80 } = process.stdout;
    const rows = [
      ["busy", "memory", "power", "device"],
      ...devices.map((device) => [...figuresOf(device), device.name]),
    ];
    const text = rows.map(([busy, memory, power, name]) =>
      `${busy!.padStart(6)}  ${memory!.padStart(11)}  ${power!.padStart(7)}  ${name}`.slice(0, columns - 1)
    );
    process.stdout.write((lines > 0 ? `\x1b[${lines}A` : "") + text.map((line) => `\x1b[K${line}\n`).join(""));
    lines = text.length;
  };
}

function figuresOf({ utilization, memoryBytes, powerWatts }: DeviceSample): string[] {
  return [
    utilization === null ? "-" : `${Math.round(100 * utilization)} %`,
    memoryBytes === null ? "-" : `${Math.round(memoryBytes / 2 ** 20)} MiB`,
    powerWatts === null ? "-" : `${powerWatts.toFixed(1)} W`,
  ];
}
