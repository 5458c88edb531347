/** What a repository on a hub holds; its API and its cache folders differ by it. */
export type RepoType = "model" | "dataset";

/** `owner/name[:file][@revision]` */
export interface HubName {
  readonly repo: string;
  readonly file?: string;
  /** A branch, a tag, or a commit. */
  readonly revision: string;
}

const NAME = /^([A-Za-z0-9][\w.-]*\/[A-Za-z0-9_][\w.-]*)(?::([^@]+))?(?:@(.+))?$/;
/** A name that ends so is meant as a path. */
const FILE = /\.(gguf|safetensors|parquet|jsonl|json|gz)$/i;

/** The name on a hub that a text is; `null` for what can only be a path. */
export function parseHubName(text: string): HubName | null {
  const [, repo, file, revision = "main"] = NAME.exec(text) ?? [];
  if (repo === undefined || FILE.test(repo)) return null;
  if (!isInside(revision) || file !== undefined && !isInside(file)) return null;
  return { repo, file, revision };
}

/** Whether a path stays in the folder that it is taken from. */
export function isInside(path: string): boolean {
  return /^[^\\\0]+$/.test(path) && path.split("/").every((part) => part !== "" && part !== "." && part !== "..");
}

const PART = /^(.*)-(\d{5})-of-(\d{5})(\.\w+)$/;

/** All parts of the file that `path` is a part of; of a whole file, itself. Models' parts count from 1, parquet's from 0. */
export function partsOf(path: string): string[] {
  const [, stem, , count, end] = PART.exec(path) ?? [];
  if (stem === undefined) return [path];
  const first = end === ".parquet" ? 0 : 1;
  const number = (i: number) => String(first + i).padStart(5, "0");
  return Array.from({ length: Number(count) }, (_, i) => `${stem}-${number(i)}-of-${count}${end}`);
}

/** The files that are whole or the first of their parts. */
export function firstParts(paths: readonly string[]): string[] {
  return paths.filter((path) => partsOf(path)[0] === path);
}
