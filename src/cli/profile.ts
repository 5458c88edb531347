import type { KernelProfile, ModelProfile, StepProfile } from "../llama/profile.ts";
import type { Engine } from "../engine/engine.ts";
import type { GenerationRecord } from "../engine/generation-run.ts";
import { textTable } from "../util/text-table.ts";
import { Progress } from "./output.ts";

/** The kernels' times by lane. */
export type Profile = Readonly<Record<string, ModelProfile>>;

/**
 * Measures the kernels at the position where a generation ended: in steps of one row, and in verifications of as many
 * rows as the generation's had most often.
 */
export async function profileOf(engine: Engine, record: GenerationRecord): Promise<Profile> {
  const rows = usualRows(record);
  const progress = new Progress();
  progress.show("measuring the kernels");
  try {
    return await engine.profile(record.promptTokens.length + record.tokens.length, rows === 1 ? [1] : [1, rows]);
  } finally {
    progress.clear();
  }
}

/** The most frequent number of rows among verifications of several rows; 1 if there are none. */
export function usualRows({ events }: Pick<GenerationRecord, "events">): number {
  const counts = new Map<number, number>();
  for (const event of events) {
    if (event.kind !== "operation" || event.operation !== "verify" || event.tokens.length < 2) continue;
    counts.set(event.tokens.length, (counts.get(event.tokens.length) ?? 0) + 1);
  }
  return [...counts].reduce((most, one) => one[1] > most[1] ? one : most, [1, 0])[0]!;
}

export function profileText(profile: Profile, devices: GenerationRecord["devices"]): string {
  return Object.entries(profile).flatMap(([lane, { variant, peak, steps }]) => [
    "",
    `${lane} on ${devices[lane]}, kernels "${variant}"; its limits, measured: ${
      (peak.bytesPerMs / 1e6).toFixed(1)
    } GB/s, ` +
    `${(peak.multiplyAddsPerMs / 1e6).toFixed(1)} G multiply-adds/s`,
    ...steps.map((step) => stepText(lane, step)),
  ]).join("\n");
}

function stepText(lane: string, { rows, position, dispatches, wallMs, kernelsMs, kernels }: StepProfile): string {
  const what = rows > 1 ? `verification of ${rows} rows` : lane === "draft" ? "draft step" : "decode step";
  const inKernels = kernelsMs === null
    ? "this device has no timestamp queries, so it can't tell the kernels' times"
    : `${kernelsMs.toFixed(2)} ms in kernels (each timed in a pass of its own), ${
      (wallMs - kernelsMs).toFixed(2)
    } ms outside`;
  return `${what} at position ${position}: ${wallMs.toFixed(2)} ms, ${dispatches} dispatches; ${inKernels}\n` +
    textTable([
      ["kernel", "dispatches", "ms", "share", "MB", "GB/s", "M mul-adds", "G/s", "of the limit"],
      ...kernels.map(kernelCells),
    ]);
}

function kernelCells(
  { kernel, dispatches, ms, share, bytes, multiplyAdds, limit, limitShare }: KernelProfile,
): string[] {
  const rate = (amount: number) => ms ? (amount / ms / 1e6).toFixed(1) : "-";
  const percent = (value: number | null) => value === null ? "-" : `${(100 * value).toFixed(1)} %`;
  return [
    kernel,
    `${dispatches}`,
    ms?.toFixed(3) ?? "-",
    percent(share),
    (bytes / 1e6).toFixed(2),
    rate(bytes),
    (multiplyAdds / 1e6).toFixed(2),
    rate(multiplyAdds),
    limitShare === null ? "-" : `${percent(limitShare)} of ${limit}`,
  ];
}
