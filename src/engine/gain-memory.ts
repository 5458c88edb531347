import { tuningIsOff } from "../llama/tuning.ts";
import { cacheFolder, isBrowser, joinPath, note, readFile, replaceFile, sha256 } from "../platform/platform.ts";
import type { RememberedGain } from "../spec/schedule/draft-backoff.ts";
import { isRecord } from "../util/is-record.ts";

/** What a gain holds for: models by their hashes, and by lane the device, its driver and the kernels' variant. */
export interface GainKey {
  readonly models: readonly string[];
  readonly devices: readonly string[];
  readonly draftVocabulary: number | null;
}

/** No speed over greedy's is as far from 1 as that. */
const MOST_GAIN = 100;

/**
 * What drafting brought on these lanes in earlier processes, from the user's cache folder; `undefined` where nothing is
 * known, or what is there makes no sense.
 */
export async function readGain(key: GainKey): Promise<RememberedGain | undefined> {
  if (isBrowser || tuningIsOff()) return undefined;
  try {
    const content: unknown = JSON.parse(new TextDecoder().decode(await readFile(fileOf(key))));
    return isGain(content) ? content : undefined;
  } catch {
    return undefined;
  }
}

/** Keeps it for later processes. Where that can't be, one line says so. */
export async function writeGain(key: GainKey, gain: RememberedGain): Promise<void> {
  if (isBrowser || tuningIsOff() || (gain.tokens === 0 && gain.pause === 0)) return;
  const file = fileOf(key);
  try {
    await replaceFile(file, new TextEncoder().encode(JSON.stringify(gain) + "\n"));
  } catch (error) {
    note(`Cannot keep what drafting brought in "${file}": ${(error as Error).message}; it will be learnt anew`);
  }
}

function isGain(content: unknown): content is RememberedGain {
  if (!isRecord(content)) return false;
  const { expected, achieved, tokens, pause, cooldown, tries } = content;
  const isSpeed = (value: unknown) => typeof value === "number" && value > 1 / MOST_GAIN && value < MOST_GAIN;
  const isCount = (value: unknown) => Number.isInteger(value) && Number(value) >= 0;
  return isSpeed(expected) && isSpeed(achieved) && [tokens, pause, cooldown, tries].every(isCount) && cooldown !== 0;
}

function fileOf(key: GainKey): string {
  return joinPath(cacheFolder(), `gain-${sha256(JSON.stringify(key)).slice(0, 16)}.json`);
}
