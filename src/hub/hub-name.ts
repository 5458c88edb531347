/** A repository holds a model or a dataset. The hub's addresses and the cache's folders tell which. */
export type RepoType = "model" | "dataset";

/** What a name on a hub says: `owner/name[:file][@revision]`, or one of the addresses that model cards print. */
export interface HubName {
  /** What the repository holds, where the address says so. */
  readonly type?: RepoType;
  /** `owner/name` */
  readonly repo: string;
  /** A file's or a folder's path in the repository, or a quantisation ("Q4_K_M"); left out for the whole repository. */
  readonly file?: string;
  /** A branch, a tag, or a commit; "main" where the name has none. */
  readonly revision: string;
}

const REPO = String.raw`[A-Za-z0-9][\w.-]*\/[A-Za-z0-9_][\w.-]*`;
/** Branches of the hub's own have slashes in their names. */
const REVISION = String.raw`refs\/(?:pr\/\d+|convert\/\w+)|[^/@]+`;
const SHORT = new RegExp(`^(${REPO})(?::([^@]+))?(?:@(.+))?$`);
/** An address's path: `owner/name/resolve/main/a.gguf`, or of hf:// `owner/name@main/a.gguf`. */
const PATH = new RegExp(
  `^(?:(models|datasets)\\/)?(${REPO})(?::([^@/]+))?` +
    `(?:\\/(?:blob|resolve|raw|tree|commit)\\/(${REVISION})|@(${REVISION}))?(?:\\/(.+))?$`,
);
/** The hub's own hosts. A mirror that HF_ENDPOINT names stands for them. */
const HOST = /^(?:https?:\/\/)?(?:www\.)?(?:huggingface\.co|hf\.co)\/|^hf:\/\//i;
/** A text with such an end is a path, although it has the form of a name. */
const FILE = /\.(gguf|safetensors|parquet|jsonl|json|gz)$/i;

/**
 * Reads a text as a name on a hub, by the forms `owner/name[:file][@revision]`, `hf.co/owner/name[:file]`,
 * `hf://[datasets/]owner/name[@revision][/file]` and the addresses of the hub's pages (blob, resolve, tree), on the
 * hub's own host or on `endpoint`. Gives `null` where it can only be a path or another address.
 */
export function parseHubName(text: string, endpoint?: string): HubName | null {
  const prefix = endpoint !== undefined && text.startsWith(`${endpoint}/`)
    ? endpoint.length + 1
    : HOST.exec(text)?.[0].length;
  if (prefix !== undefined) return parseAddress(text.slice(prefix));
  const [, repo, file, revision = "main"] = SHORT.exec(text) ?? [];
  if (repo === undefined || FILE.test(repo)) return null;
  return checked({ repo, file, revision });
}

/** Reads the path of an address on the hub. */
function parseAddress(address: string): HubName | null {
  const [, folder, repo, tag, ofPage, ofHf, path] = PATH.exec(address.replace(/[?#].*$/, "").replace(/\/+$/, "")) ?? [];
  // Beside repositories the hub has pages of other kinds.
  if (repo === undefined || /^(spaces|api)\//.test(repo)) return null;
  const type = folder === undefined ? undefined : folder === "datasets" ? "dataset" : "model";
  const [file, revision] = [path ?? tag, ofPage ?? ofHf ?? "main"].map((part) => part && decoded(part));
  return checked({ ...type && { type }, repo, file, revision: revision! });
}

/** The text with its %-escapes read, or as it is where they are none. */
export function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function checked(name: HubName): HubName | null {
  return isInside(name.revision) && (name.file === undefined || isInside(name.file)) ? name : null;
}

/** Whether a relative path stays in the folder that it begins in. */
export function isInside(path: string): boolean {
  return /^[^\\\0]+$/.test(path) && path.split("/").every((part) => part !== "" && part !== "." && part !== "..");
}
