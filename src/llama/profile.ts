import type { Device } from "../gpu/device.ts";
import { timePasses } from "../gpu/pass-times.ts";
import { encodeKernel } from "../kernels/kernel.ts";
import { measurePeak, type Peak } from "../kernels/peak/peak.ts";
import { groupBy } from "../util/group-by.ts";
import type { Llama } from "./llama.ts";

/** All kernels of one kind in a pass over some rows. Activations count for nothing in `bytes`. */
export interface KernelProfile {
  readonly kernel: string;
  readonly dispatches: number;
  /** Null, as what follows from it, on a device without timestamp queries. */
  readonly ms: number | null;
  /** Of the kernels' time in all. */
  readonly share: number | null;
  /** Weights or cache, each byte once, however often rows read it. */
  readonly bytes: number;
  readonly multiplyAdds: number;
  readonly limit: "memory" | "arithmetic" | null;
  /** Which part of the nearer limit it reaches, 0 to 1. */
  readonly limitShare: number | null;
}

/** One pass: a decode step (1 row) or a verification. */
export interface StepProfile {
  readonly rows: number;
  /** Of its first row. */
  readonly position: number;
  readonly dispatches: number;
  /** From the submission of such a pass, as generations run it, to its answer: the least of some, as of the kernels' times. */
  readonly wallMs: number;
  /** Of its kernels, each in a pass of its own; null where the device can't tell. */
  readonly kernelsMs: number | null;
  readonly kernels: readonly KernelProfile[];
}

export interface ModelProfile {
  /** Name of the kernels' variant. */
  readonly variant: string;
  readonly peak: Peak;
  readonly steps: readonly StepProfile[];
}

const ROUNDS = 5;

/** Measures passes over each number of rows at `position`, where it overwrites the cache; nothing else may run on the device. */
export async function profileLlama(
  device: Device,
  llama: Llama,
  position: number,
  rowCounts: readonly number[],
): Promise<ModelProfile> {
  const peak = await measurePeak(device, llama.variant);
  const steps: StepProfile[] = [];
  for (const rows of rowCounts) steps.push(await profileStep(device, llama, peak, position, rows));
  return { variant: llama.variant.name, peak, steps };
}

async function profileStep(
  device: Device,
  llama: Llama,
  peak: Peak,
  position: number,
  rows: number,
): Promise<StepProfile> {
  const { kernels } = llama;
  const tokens = Array.from({ length: rows }, (_, i) => i);
  const passes = kernels.map((kernel) => (pass: GPUComputePassEncoder) => encodeKernel(pass, kernel, rows));
  const wallMs: number[] = [];
  const rounds: (readonly number[])[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const startMs = performance.now();
    // It also leaves the step's parameters in place for the kernels that follow.
    await llama.verify(tokens, position);
    wallMs.push(performance.now() - startMs);
    const { passMs } = await timePasses(device, passes);
    if (passMs) rounds.push(passMs);
  }
  // Other work on the machine only adds; all kernels of one round, so that they and their shares belong together.
  const total = (passMs: readonly number[]) => passMs.reduce((sum, ms) => sum + ms, 0);
  const [best] = rounds.toSorted((a, b) => total(a) - total(b));
  const kindOf = (i: number) => kernels[i]!.label.replace("matmul ", "");
  const sums = groupBy([...kernels.keys()], kindOf).map((members) => {
    const work = members.map((i) => kernels[i]!.workOf(position, rows));
    return {
      kernel: kindOf(members[0]!),
      dispatches: members.length,
      ms: best ? members.reduce((sum, i) => sum + best[i]!, 0) : null,
      bytes: work.reduce((sum, { bytes }) => sum + bytes, 0),
      multiplyAdds: work.reduce((sum, { multiplyAdds }) => sum + multiplyAdds, 0),
    };
  });
  const kernelsMs = best ? sums.reduce((sum, { ms }) => sum + ms!, 0) : null;
  return {
    rows,
    position,
    dispatches: kernels.length,
    wallMs: Math.min(...wallMs),
    kernelsMs,
    kernels: sums.map((sum) => ({
      ...sum,
      share: kernelsMs === null ? null : sum.ms! / kernelsMs,
      ...nearerLimit(sum, peak),
    })),
  };
}

/** The limit that the work takes longer to reach. */
function nearerLimit(
  { ms, bytes, multiplyAdds }: { ms: number | null; bytes: number; multiplyAdds: number },
  peak: Peak,
): Pick<KernelProfile, "limit" | "limitShare"> {
  const [memoryMs, arithmeticMs] = [bytes / peak.bytesPerMs, multiplyAdds / peak.multiplyAddsPerMs];
  if (bytes === 0 && multiplyAdds === 0) return { limit: null, limitShare: null };
  return {
    limit: memoryMs >= arithmeticMs ? "memory" : "arithmetic",
    limitShare: ms ? Math.max(memoryMs, arithmeticMs) / ms : null,
  };
}
