import type { Device } from "../gpu/device.ts";
import { cacheFolder, getEnv, isBrowser, joinPath, note, readFile, replaceFile, sha256 } from "../platform/platform.ts";
import { ALL_VARIANTS, defaultVariant, type KernelVariant, possibleVariants } from "../kernels/kernel-variant.ts";
import { matmulText } from "../kernels/matmul/matmul.ts";
import { PACKINGS, weightLayout, type WeightType } from "../kernels/formats/weight-layout.ts";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";

/** Which lanes measured best for matrices of a format with so many columns. */
export interface TunedVariant {
  readonly type: WeightType;
  readonly columns: number;
  /** `KernelVariant.name`. */
  readonly variant: string;
}

/** What a table was measured for: it holds for nothing else. */
export interface TuningKey {
  readonly adapter: string;
  readonly driver: string;
  /** LP_NUM_THREADS; null: not set. How many threads an engine gives its lanes must not matter, or strategies would differ. */
  readonly threads: string | null;
  /** SHA-256 of the products' WGSL: other kernels, other figures. */
  readonly kernels: string;
}

/** A file in the user's cache folder. */
interface Table extends TuningKey {
  readonly format: "amusd tuning";
  readonly choices: readonly TunedVariant[];
}

/** Switches the tables off, for runs that must not depend on a machine's cache folder (tests): "off". */
const SWITCH = "AMUSD_TUNING";
const warned = new Set<string>();

/** The lanes that a tuning run chose for the format of most of a model's weights, or what suits the kind of device. */
export async function tunedVariant(device: Device, checkpoint: Checkpoint): Promise<KernelVariant> {
  if (isBrowser || getEnv(SWITCH) === "off") return defaultVariant(device);
  const { type, columns } = mainShape(checkpoint);
  return chooseVariant(device, await readChoices(device), type, columns);
}

/** The format of most of the weights' bytes, and the columns of most of its rows' matrices: the model's width. */
export function mainShape(checkpoint: Checkpoint): { type: string; columns: number } {
  const bytes = new Map<string, number>();
  const matrices = [...checkpoint.tensors.values()].filter(({ shape }) => shape.length === 2);
  for (const tensor of matrices) bytes.set(tensor.type, (bytes.get(tensor.type) ?? 0) + tensor.bytes);
  const [type] = [...bytes].reduce((most, one) => one[1] > most[1] ? one : most);
  return { type, columns: checkpoint.tensors.get("token_embd.weight")!.shape[0]! };
}

/** What is chosen for the format and the columns that are nearest, as a ratio; the default where nothing is. */
export function chooseVariant(
  device: Device,
  choices: readonly TunedVariant[],
  type: string,
  columns: number,
): KernelVariant {
  const distance = (choice: TunedVariant) => Math.abs(Math.log(choice.columns / columns));
  const [nearest] = choices.filter((choice) => choice.type === type).toSorted((a, b) => distance(a) - distance(b));
  return possibleVariants(device).find(({ name }) => name === nearest?.variant) ?? defaultVariant(device);
}

/** The choices for this device; none where there is no file, or one that is damaged: then one line says so. */
export async function readChoices(device: Device): Promise<readonly TunedVariant[]> {
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

/** Replaces the choices for this device; returns the file. */
export async function writeChoices(device: Device, choices: readonly TunedVariant[]): Promise<string> {
  const key = tuningKey(device);
  const file = fileOf(key);
  const table: Table = { format: "amusd tuning", ...key, choices };
  try {
    await replaceFile(file, new TextEncoder().encode(JSON.stringify(table, null, 1) + "\n"));
  } catch (error) {
    throw new Error(`Cannot write "${file}": ${(error as Error).message}; make the folder writable`);
  }
  return file;
}

/** The choices in a file's content; none if it is another key's. Throws a SyntaxError or a TypeError where it is no table. */
export function parseTable(content: string, key: TuningKey, names: readonly string[]): readonly TunedVariant[] {
  let table: unknown;
  try {
    table = JSON.parse(content);
  } catch {
    throw new SyntaxError("it is no JSON, or cut short");
  }
  if (!isRecord(table) || table.format !== "amusd tuning" || !Array.isArray(table.choices)) {
    throw new TypeError("it is no tuning table");
  }
  if ((Object.keys(key) as (keyof TuningKey)[]).some((name) => table[name] !== key[name])) return [];
  return table.choices.map((choice: unknown) => {
    if (
      !isRecord(choice) || typeof choice.type !== "string" || !Object.hasOwn(PACKINGS, choice.type) ||
      !Number.isInteger(choice.columns) || Number(choice.columns) < 1 || !names.includes(String(choice.variant))
    ) throw new TypeError(`${JSON.stringify(choice)} is no choice`);
    return { type: choice.type as WeightType, columns: Number(choice.columns), variant: String(choice.variant) };
  });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

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
      const part = { firstRow: 0, tiles: 1, firstTile: 0 };
      return matmulText(variant, weightLayout(type, 256, variant.rowLanes), part, 1, { source: "", constants: {} });
    })
  );
  return sha256(texts.join("\n"));
}
