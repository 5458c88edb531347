import type { FinishReason, GenerationRecord } from "../engine/generation-run.ts";

/** Reasons to end that a reader expects, so that the summary doesn't tell them. */
const USUAL: readonly FinishReason[] = ["eos", "stop", "length"];

const isCpu = (device: string | undefined) => /^llvmpipe|swiftshader/i.test(device ?? "");

/** A generation's figures for people. The first line says what speculation brought. */
export function summaryText(record: GenerationRecord): string {
  const {
    strategy,
    sampling,
    tokens,
    msPerToken,
    greedyMsPerToken,
    speedup,
    ttftMs,
    finishReason,
    lanes,
    devices,
    overlapMs,
  } = record;
  const number = (value: number | null, digits = 1) => value === null ? "-" : value.toFixed(digits);
  const totalMs = lanes[0]!.busyMs + lanes[0]!.idleMs;
  const share = (ms: number) => `${Math.round(100 * ms / Math.max(totalMs, 1e-9))} %`;
  // `--strategy greedy` by itself has all cores, and may be faster than the verify lane on its share of them.
  const cores = [devices.verify, devices.draft].every((name) => isCpu(name)) ? " on half of the cores" : "";
  const lines = [
    [
      `${strategy}${sampling ? `, seed ${sampling.seed}` : ""}: ${tokens.length} tokens${
        USUAL.includes(finishReason) ? "" : ` (${finishReason})`
      }`,
      `${number(msPerToken)} ms/token`,
      ...(speedup === null
        ? []
        : [`${number(speedup, 2)} times greedy (${number(greedyMsPerToken)} ms measured here${cores})`]),
      `first after ${number(ttftMs, 0)} ms`,
    ].join(", "),
    ...lanes.map(({ name, busyMs, idleMs }) =>
      `${name} on ${devices[name]}: busy ${number(busyMs, 0)} ms (${share(busyMs)}), idle ${number(idleMs, 0)} ms`
    ),
  ];
  if (lanes.length > 1) {
    lines.splice(
      1,
      0,
      `${record.verifications} verifications of ${
        number(record.tokensPerVerification, 2)
      } tokens; ${record.drafted} drafted, ` +
        `${record.accepted} accepted (${number(record.acceptance, 2)} of the verified)`,
    );
    lines.push(`both busy at once: ${number(overlapMs, 0)} ms (${share(overlapMs)})`);
  }
  return lines.join("\n");
}
