import type { Checkpoint } from "./checkpoint.ts";

/** Bytes that are read at the beginning and at the end of each tensor. */
const SAMPLE_BYTES = 4096;

/**
 * A name for the weights of a model, 64 hexadecimal digits: SHA-256 of each tensor's name, type, shape, and first and
 * last 4 KiB. Models of another format, or trained on, have another one; it takes milliseconds, where a hash of all
 * weights takes as long as loading them.
 */
export async function modelHash({ tensors }: Checkpoint): Promise<string> {
  const encoder = new TextEncoder();
  const parts: Uint8Array[] = [];
  for (const name of [...tensors.keys()].sort()) {
    const { type, shape, source, offset, bytes } = tensors.get(name)!;
    const length = Math.min(SAMPLE_BYTES, bytes);
    parts.push(encoder.encode(`${name} ${type} ${shape}\n`));
    parts.push(await source.read(offset, length), await source.read(offset + bytes - length, length));
  }
  const digest = await crypto.subtle.digest(
    "SHA-256",
    await new Blob(parts as Uint8Array<ArrayBuffer>[]).arrayBuffer(),
  );
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
