import { timePasses } from "../gpu/pass-times.ts";
import { encodeKernel } from "../kernels/kernel.ts";
import { measurePeak, type Peak } from "../kernels/peak/peak.ts";
import { groupBy } from "../util/group-by.ts";
import { sum } from "../util/numbers.ts";
import type { Llama } from "./llama.ts";

/** All kernels of one kind in a pass over some rows. */
export interface KernelProfile {
  /** The kind's name. */
  readonly kernel: string;
  /** How many of the pass's dispatches are of this kind. */
  readonly dispatches: number;
  /** On a device without timestamp queries null, and so are `share` and `limitShare`. */
  readonly ms: number | null;
  /** The part that this kind has in the time of all kernels, 0 to 1. */
  readonly share: number | null;
  /** Weights or KV cache, each byte once, however often rows read it; activations are not counted. */
  readonly bytes: number;
  /** Multiply-adds with weights or with the KV cache. */
  readonly multiplyAdds: number;
  /** The limit that the work takes longer to reach; null where there is no such work. */
  readonly limit: "memory" | "arithmetic" | null;
  /** The part of that limit that the kernels reach, 0 to 1. */
  readonly limitShare: number | null;
}

/** One pass: a decode step (1 row) or a verification. */
export interface StepProfile {
  /** Rows of the pass. */
  readonly rows: number;
  /** The position of the first row. */
  readonly position: number;
  /** Dispatches of the pass. */
  readonly dispatches: number;
  /** The least time from the submission of such a pass, as generations run it, to its answer. */
  readonly wallMs: number;
  /** The time of all its kernels, each in a pass of its own; null where the device can't tell. */
  readonly kernelsMs: number | null;
  /** The pass by kinds of kernels, in the order in which they first run. */
  readonly kernels: readonly KernelProfile[];
}

/** The limits of a model's device, and some passes on it. */
export interface ModelProfile {
  /** The name of the kernels' variant. */
  readonly variant: string;
  /** The device's limits. */
  readonly peak: Peak;
  /** One entry for each number of rows that was measured. */
  readonly steps: readonly StepProfile[];
}

/** Runs of each pass, of which the fastest counts. */
const ROUNDS = 5;

/**
 * Measures passes over each number of rows at `position`, and overwrites the KV cache there; nothing else may run on
 * the device.
 */
export async function profileLlama(
  llama: Llama,
  position: number,
  rowCounts: readonly number[],
): Promise<ModelProfile> {
  const peak = await measurePeak(llama.context);
  const steps: StepProfile[] = [];
  for (const rows of rowCounts) steps.push(await profileStep(llama, peak, position, rows));
  return { variant: llama.context.variant.name, peak, steps };
}

async function profileStep(llama: Llama, peak: Peak, position: number, rows: number): Promise<StepProfile> {
  const { kernels } = llama;
  const tokens = Array.from({ length: rows }, (_, i) => i);
  const passes = kernels.map((kernel) => (pass: GPUComputePassEncoder) => encodeKernel(pass, kernel, rows));
  const wallMs: number[] = [];
  const rounds: (readonly number[])[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const startMs = performance.now();
    // This also leaves the step's parameters in place for the kernels that follow.
    await llama.verify(tokens, position);
    wallMs.push(performance.now() - startMs);
    const { passMs } = await timePasses(llama.context.device, passes);
    if (passMs) rounds.push(passMs);
  }
  // Other work on the machine only adds time. All times are of one round, so that they and their shares fit together.
  const [best] = rounds.toSorted((a, b) => sum(a) - sum(b));
  const kindOf = (i: number) => kernels[i]!.label.replace("matmul ", "");
  const kinds = groupBy([...kernels.keys()], kindOf).map((members) => {
    const work = members.map((i) => kernels[i]!.workOf(position, rows));
    return {
      kernel: kindOf(members[0]!),
      dispatches: members.length,
      ms: best ? sum(members.map((i) => best[i]!)) : null,
      bytes: sum(work.map(({ bytes }) => bytes)),
      multiplyAdds: sum(work.map(({ multiplyAdds }) => multiplyAdds)),
    };
  });
  const kernelsMs = best ? sum(kinds.map(({ ms }) => ms!)) : null;
  return {
    rows,
    position,
    dispatches: kernels.length,
    wallMs: Math.min(...wallMs),
    kernelsMs,
    kernels: kinds.map((kind) => ({
      ...kind,
      share: kernelsMs === null ? null : kind.ms! / kernelsMs,
      ...nearerLimit(kind, peak),
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
