/** A repository holds a model or a dataset. The hub's addresses and the cache's folders tell which. */
export type RepoType = "model" | "dataset";

/** The parts of a name on a hub, `owner/name[:file][@revision]`. */
export interface HubName {
  /** `owner/name` */
  readonly repo: string;
  /** A path in the repository; left out for the repository's only file of a kind. */
  readonly file?: string;
  /** A branch, a tag, or a commit; "main" where the name has none. */
  readonly revision: string;
}

const NAME = /^([A-Za-z0-9][\w.-]*\/[A-Za-z0-9_][\w.-]*)(?::([^@]+))?(?:@(.+))?$/;
/** A text with such an end is a path, although it has the form of a name. */
const FILE = /\.(gguf|safetensors|parquet|jsonl|json|gz)$/i;

/** Reads a text as a name on a hub; gives `null` where it can only be a path. */
export function parseHubName(text: string): HubName | null {
  const [, repo, file, revision = "main"] = NAME.exec(text) ?? [];
  if (repo === undefined || FILE.test(repo)) return null;
  if (!isInside(revision) || file !== undefined && !isInside(file)) return null;
  return { repo, file, revision };
}

/** Whether a relative path stays in the folder that it begins in. */
export function isInside(path: string): boolean {
  return /^[^\\\0]+$/.test(path) && path.split("/").every((part) => part !== "" && part !== "." && part !== "..");
}

const PART = /^(.*)-(\d{5})-of-(\d{5})(\.\w+)$/;

/**
 * The paths of all parts of the file that `path` is a part of, or just `path` where the file is whole. Numbers of parts
 * begin with 1 for models and with 0 for parquet.
 */
export function partsOf(path: string): string[] {
  const [, stem, , count, end] = PART.exec(path) ?? [];
  if (stem === undefined) return [path];
  const first = end === ".parquet" ? 0 : 1;
  const number = (i: number) => String(first + i).padStart(5, "0");
  return Array.from({ length: Number(count) }, (_, i) => `${stem}-${number(i)}-of-${count}${end}`);
}

/** The paths of whole files and of first parts, without those of other parts. */
export function firstParts(paths: readonly string[]): string[] {
  return paths.filter((path) => partsOf(path)[0] === path);
}
