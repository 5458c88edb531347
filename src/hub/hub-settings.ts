/** The variables of the environment that Hugging Face's own programs read (constants.py of huggingface_hub). */
import { readFile } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { expandHome } from "../platform/platform.ts";

/** The hub's address without a slash at its end. Throws an Error where HF_ENDPOINT is no URL. */
export function hubEndpoint(): string {
  const endpoint = (process.env.HF_ENDPOINT || "https://huggingface.co").replace(/\/+$/, "");
  if (/^https?:/.test(endpoint) && URL.canParse(endpoint)) return endpoint;
  throw new Error(`HF_ENDPOINT is "${endpoint}", a URL is wanted; correct it`);
}

/** Whether the user wants no request at all. */
export function isOffline(): boolean {
  return isTrue(process.env.HF_HUB_OFFLINE || process.env.TRANSFORMERS_OFFLINE);
}

/** The folder of the cache that all of Hugging Face's programs share. */
export function hubCacheFolder(): string {
  const { HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE } = process.env;
  return expand(HF_HUB_CACHE || HUGGINGFACE_HUB_CACHE || path.join(home(), "hub"));
}

/**
 * The token of the environment, else that which the login of Hugging Face's own program has left in a file. Rejects
 * with an Error where it can't be sent.
 */
export async function hubToken(): Promise<string | undefined> {
  if (isTrue(process.env.HF_HUB_DISABLE_IMPLICIT_TOKEN)) return undefined;
  const file = expand(process.env.HF_TOKEN_PATH || path.join(home(), "token"));
  const places = [
    ["HF_TOKEN", process.env.HF_TOKEN],
    ["HUGGING_FACE_HUB_TOKEN", process.env.HUGGING_FACE_HUB_TOKEN],
    [`the token in "${file}"`, await readFile(file, "utf8").catch(() => undefined)],
  ] as const;
  for (const [place, text] of places) {
    const token = text?.replace(/[\r\n]/g, "").trim();
    if (!token) continue;
    if (/^[\x20-\x7e]+$/.test(token)) return token;
    throw new Error(`${place} has letters that no request can carry; correct it`);
  }
  return undefined;
}

function home(): string {
  return expand(process.env.HF_HOME || path.join(process.env.XDG_CACHE_HOME || "~/.cache", "huggingface"));
}

/** The path as Python's expanduser and expandvars make it: `~` may come from an .env file, which no shell has read. */
function expand(file: string): string {
  return expandHome(file).replace(
    /\$(?:(\w+)|\{([^}]*)\})/g,
    (all, plain, braced) => process.env[plain ?? braced] ?? all,
  );
}

function isTrue(value: string | undefined): boolean {
  return /^(1|on|yes|true)$/i.test(value ?? "");
}
