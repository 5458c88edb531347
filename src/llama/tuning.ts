import type { Device } from "../gpu/device.ts";
import { cacheFolder, getEnv, isBrowser, joinPath, note, readFile, replaceFile, sha256 } from "../platform/platform.ts";
import { ALL_VARIANTS, defaultVariant, type KernelVariant, possibleVariants } from "../kernels/kernel-variant.ts";
import { matmulText } from "../kernels/matmul/matmul.ts";
import { PACKINGS, weightLayout, type WeightType } from "../kernels/formats/weight-layout.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { isRecord } from "../util/is-record.ts";

/** The variant that measured best for matrices of a format whose weight rows have `k` elements. */
export interface TunedVariant {
  readonly type: WeightType;
  readonly k: number;
  /** `KernelVariant.name`. */
  readonly variant: string;
}

/** The conditions that a table was measured under: it holds for no others. */
export interface TuningKey {
  readonly adapter: string;
  readonly driver: string;
  /**
   * LP_NUM_THREADS; null: not set. How many threads an engine gives its devices must not matter, or strategies would
   * differ.
   */
  readonly threads: string | null;
  /** SHA-256 of the products' WGSL: other kernels, other figures. */
  readonly kernels: string;
}

/** A file in the user's cache folder. */
interface Table extends TuningKey {
  readonly format: "amusd tuning";
  readonly variants: readonly TunedVariant[];
}

/**
 * Switches the tables, and what else runs have learnt, off, for runs that must not depend on a machine's cache folder
 * (tests): "off".
 */
const SWITCH = "AMUSD_TUNING";
const warned = new Set<string>();

/** Whether nothing is to be read from, or written to, the cache folder that earlier runs taught. */
export function tuningIsOff(): boolean {
  return getEnv(SWITCH) === "off";
}

/** The variant tuned for the format of most of a model's weights, or the default of the kind of device. */
export async function tunedVariant(device: Device, checkpoint: Checkpoint): Promise<KernelVariant> {
  if (isBrowser || tuningIsOff()) return defaultVariant(device);
  const { type, k } = mainShape(checkpoint);
  return chooseVariant(device, await readTuning(device), type, k);
}

/** The format of most of the weights' bytes, and the k of most of its matrices: the model's width. */
export function mainShape(checkpoint: Checkpoint): { type: string; k: number } {
  const bytes = new Map<string, number>();
  const matrices = [...checkpoint.tensors.values()].filter(({ shape }) => shape.length === 2);
  for (const tensor of matrices) bytes.set(tensor.type, (bytes.get(tensor.type) ?? 0) + tensor.bytes);
  const [type] = [...bytes].reduce((most, one) => one[1] > most[1] ? one : most);
  return { type, k: checkpoint.tensors.get("token_embd.weight")!.shape[0]! };
}

/** The variant tuned for the format and the nearest k, as a ratio; the default where none was tuned. */
export function chooseVariant(
  device: Device,
  tuned: readonly TunedVariant[],
  type: string,
  k: number,
): KernelVariant {
  const distance = (one: TunedVariant) => Math.abs(Math.log(one.k / k));
  const [nearest] = tuned.filter((one) => one.type === type).toSorted((a, b) => distance(a) - distance(b));
  return possibleVariants(device).find(({ name }) => name === nearest?.variant) ?? defaultVariant(device);
}

/** The variants tuned for this device; none where there is no file, or a damaged one: then one line says so. */
export async function readTuning(device: Device): Promise<readonly TunedVariant[]> {
  const key = tuningKey(device);
  const file = fileOf(key);
  try {
    const content = new TextDecoder().decode(await readFile(file));
    return parseTable(content, key, possibleVariants(device).map(({ name }) => name));
  } catch (error) {
    if ((error as { code?: string }).code !== "ENOENT" && !warned.has(file)) {
      warned.add(file);
      note(
        `Cannot use the tuning of ${key.adapter} in "${file}": ${(error as Error).message}; ` +
          "the defaults are used: run the tune command anew, or delete the file",
      );
    }
    return [];
  }
}

/** Replaces the table of this device; returns its file. Throws an Error where the file can't be written. */
export async function writeTuning(device: Device, variants: readonly TunedVariant[]): Promise<string> {
  const key = tuningKey(device);
  const file = fileOf(key);
  const table: Table = { format: "amusd tuning", ...key, variants };
  try {
    await replaceFile(file, new TextEncoder().encode(JSON.stringify(table, null, 1) + "\n"));
  } catch (error) {
    throw new Error(`Cannot write "${file}": ${(error as Error).message}; make the folder writable`);
  }
  return file;
}

/**
 * The variants of a table in a file's content; none if the table is another key's. `names` has all known variants.
 * Throws a SyntaxError or a TypeError where the content is no table.
 */
export function parseTable(content: string, key: TuningKey, names: readonly string[]): readonly TunedVariant[] {
  let table: unknown;
  try {
    table = JSON.parse(content);
  } catch {
    throw new SyntaxError("it is no JSON, or cut short");
  }
  if (!isRecord(table) || table.format !== "amusd tuning" || !Array.isArray(table.variants)) {
    throw new TypeError("it is no tuning table");
  }
  if ((Object.keys(key) as (keyof TuningKey)[]).some((name) => table[name] !== key[name])) return [];
  return table.variants.map((one: unknown) => {
    if (
      !isRecord(one) || typeof one.type !== "string" || !Object.hasOwn(PACKINGS, one.type) ||
      !Number.isInteger(one.k) || Number(one.k) < 1 || !names.includes(String(one.variant))
    ) throw new TypeError(`${JSON.stringify(one)} is no choice`);
    return { type: one.type as WeightType, k: Number(one.k), variant: String(one.variant) };
  });
}

/** The conditions on this device, with today's kernels. */
export function tuningKey(device: Device): TuningKey {
  const { name, driver } = device.adapter;
  return { adapter: name, driver, threads: getEnv("LP_NUM_THREADS") ?? null, kernels: kernelsHash() };
}

function fileOf(key: TuningKey): string {
  return joinPath(cacheFolder(), `tuning-${sha256(JSON.stringify(key)).slice(0, 16)}.json`);
}

function kernelsHash(): string {
  const texts = ALL_VARIANTS.flatMap((variant) =>
    (Object.keys(PACKINGS) as WeightType[]).map((type) => {
      const part = { firstN: 0, tiles: 1, firstTile: 0 };
      return matmulText(variant, weightLayout(type, 256, variant.tileN), part, 1, { source: "", constants: {} });
    })
  );
  return sha256(texts.join("\n"));
}
