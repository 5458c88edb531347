import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";
import { type Reading, UNKNOWN } from "./reading.ts";

const FIELDS = "pci.bus_id,name,utilization.gpu,memory.used,power.draw";
/** A figure that is older says nothing about now: nvidia-smi hangs. */
const STALE_MS = 2000;
/** No line of nvidia-smi is longer than this, in characters; a longer one is garbage. */
const MAX_LINE = 4096;

export interface NvidiaGpu extends Reading {
  /** "0000:65:00.0", as the system names it. */
  readonly address: string;
  readonly name: string;
}

/** The GPU in a line of nvidia-smi's CSV without units; null where it is no such line. */
export function parseNvidiaLine(line: string): NvidiaGpu | null {
  const [bus = "", name = "", utilization, memory, power, ...more] = line.split(",").map((cell) => cell.trim());
  // nvidia-smi writes the domain with eight digits, the system with four.
  const address = /^(?:0{4})?([0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])$/i.exec(bus)?.[1];
  if (!address || !name || power === undefined || more.length > 0) return null;
  const percent = numberOf(utilization);
  const mib = numberOf(memory);
  return {
    address: address.toLowerCase(),
    name,
    utilization: percent === null || percent > 100 ? null : percent / 100,
    memoryBytes: mib === null ? null : mib * 2 ** 20,
    powerWatts: numberOf(power),
  };
}

/** The number in a cell; null for "[N/A]", "[Not Supported]", "[Unknown Error]" and "[GPU is lost]". */
function numberOf(cell: string | undefined): number | null {
  return cell !== undefined && /^\d+(\.\d+)?$/.test(cell) ? Number(cell) : null;
}

/**
 * A running nvidia-smi. Where it is missing, dies or hangs, nothing is known of the GPUs. It doesn't keep this process
 * alive.
 */
export class NvidiaSmi {
  readonly #child: ChildProcess;
  readonly #latest = new Map<string, { readonly gpu: NvidiaGpu; readonly ms: number }>();
  readonly #kill = () => this.#child.kill("SIGKILL");
  #rest = "";

  constructor(intervalMs: number) {
    const args = [`--query-gpu=${FIELDS}`, "--format=csv,noheader,nounits", "-lms", `${intervalMs}`];
    this.#child = spawn("nvidia-smi", args, { stdio: ["ignore", "pipe", "ignore"], windowsHide: true });
    const forget = () => {
      this.#latest.clear();
      process.off("exit", this.#kill);
    };
    this.#child.on("error", forget).on("exit", forget);
    process.on("exit", this.#kill);
    this.#child.stdout!.setEncoding("utf8").on("data", (text: string) => this.#take(text)).on("error", forget);
    // Deno's unref() throws where the command isn't there.
    this.#child.on("spawn", () => {
      this.#child.unref();
      (this.#child.stdout as unknown as { unref?(): void }).unref?.();
    });
  }

  /** Figures of the GPU at a PCI address; without one, of the first GPU of that name, which is the one Dawn takes. */
  read(name: string, address: string | undefined, nowMs: number): Reading {
    const gpus = [...this.#latest.values()].filter(({ ms }) => nowMs - ms <= STALE_MS).map(({ gpu }) => gpu)
      .sort((a, b) => a.address < b.address ? -1 : 1);
    const found = gpus.find((gpu) => address === undefined ? bare(gpu.name) === bare(name) : gpu.address === address);
    if (!found) return UNKNOWN;
    const { utilization, memoryBytes, powerWatts } = found;
    return { utilization, memoryBytes, powerWatts };
  }

  close(): void {
    this.#kill();
  }

  #take(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop()!.slice(-MAX_LINE);
    const ms = performance.now();
    for (const gpu of lines.map(parseNvidiaLine)) {
      if (gpu) this.#latest.set(gpu.address, { gpu, ms });
    }
  }
}

/** The name without its maker, which older drivers leave out of one of the two names. */
function bare(name: string): string {
  return name.toLowerCase().replace(/^nvidia /, "");
}
