import type { Device } from "../gpu/device.ts";
import { cacheFolder, getEnv, isBrowser, joinPath, note, readFile, replaceFile, sha256 } from "../platform/platform.ts";
import { ALL_LANES, type Lanes, lanesFor, possibleLanes } from "../kernels/lanes.ts";
import { matmulText } from "../kernels/matmul/matmul.ts";
import { PACKINGS, weightLayout, type WeightType } from "../kernels/formats/weight-layout.ts";
import type { Gguf } from "../checkpoint/gguf.ts";

/** Which lanes measured best for matrices of a format with so many columns. */
export interface TunedVariant {
  readonly type: WeightType;
  readonly columns: number;
  /** `Lanes.name`. */
  readonly lanes: string;
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
export async function tunedLanes(device: Device, gguf: Gguf): Promise<Lanes> {
  if (isBrowser || getEnv(SWITCH) === "off") return lanesFor(device);
  const { type, columns } = mainShape(gguf);
  return chooseLanes(device, await readChoices(device), type, columns);
}

/** The format of most of the weights' bytes, and the columns of most of its rows' matrices: the model's width. */
export function mainShape(gguf: Gguf): { type: string; columns: number } {
  const bytes = new Map<string, number>();
  const matrices = [...gguf.tensors.values()].filter(({ shape }) => shape.length === 2);
  for (const tensor of matrices) bytes.set(tensor.type, (bytes.get(tensor.type) ?? 0) + tensor.bytes);
  const [type] = [...bytes].reduce((most, one) => one[1] > most[1] ? one : most);
  return { type, columns: gguf.tensors.get("token_embd.weight")!.shape[0]! };
}

/** What is chosen for the format and the columns that are nearest, as a ratio; the default where nothing is. */
export function chooseLanes(device: Device, choices: readonly TunedVariant[], type: string, columns: number): Lanes {
  const distance = (choice: TunedVariant) => Math.abs(Math.log(choice.columns / columns));
  const [nearest] = choices.filter((choice) => choice.type === type).toSorted((a, b) => distance(a) - distance(b));
  return possibleLanes(device).find(({ name }) => name === nearest?.lanes) ?? lanesFor(device);
}

/** The choices for this device; none where there is no file, or one that is damaged: then one line says so. */
export async function readChoices(device: Device): Promise<readonly TunedVariant[]> {
  const key = tuningKey(device);
  const file = fileOf(key);
  try {
    const content = new TextDecoder().decode(await readFile(file));
    return parseTable(content, key, possibleLanes(device).map(({ name }) => name));
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
export function parseTable(content: string, key: TuningKey, lanes: readonly string[]): readonly TunedVariant[] {
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
      !Number.isInteger(choice.columns) || Number(choice.columns) < 1 || !lanes.includes(String(choice.lanes))
    ) throw new TypeError(`${JSON.stringify(choice)} is no choice`);
    return { type: choice.type as WeightType, columns: Number(choice.columns), lanes: String(choice.lanes) };
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
  const texts = ALL_LANES.flatMap((lanes) =>
    (Object.keys(PACKINGS) as WeightType[]).map((type) => {
      const part = { firstRow: 0, tiles: 1, firstTile: 0 };
      return matmulText(lanes, weightLayout(type, 256, lanes.rowLanes), part, 1, { source: "", constants: {} });
    })
  );
  return sha256(texts.join("\n"));
}
