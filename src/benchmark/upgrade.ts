import { isRecord } from "../util/is-record.ts";

/** The keys that results of version 2, and records of `generate` from then, have under other names. */
const NEW_NAMES: ReadonlyMap<string, string> = new Map([
  ["finish", "finishReason"],
  ["kernels", "variants"],
  ["maxNewTokens", "maxTokens"],
  // Only the events of files from before November 2026 have this one.
  ["seconds", "runnersUp"],
]);

/** Where these keys stand: at the top, or in one of these parts, or in a part of such a part. */
const PARTS: readonly string[] = ["configuration", "runs", "events"];

/** Parsed JSON of results of version 2, or of a record of that time, with today's names; all else stays as it is. */
export function upgraded(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(upgraded);
  if (!isRecord(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, part]) => {
      if (PARTS.includes(key)) return [key, upgraded(part)];
      if (key === "launch" && part === "best") return [key, "adaptive"];
      return [NEW_NAMES.get(key) ?? key, part];
    }),
  );
}
