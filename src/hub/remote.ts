import type { HubFile } from "./hub-cache.ts";

/** What files come from: a repository on a hub, or a plain address. Messages of errors are to follow "Cannot fetch". */
export interface Remote {
  /** Asks for the commit that a revision is at, 40 hexadecimal digits. */
  commitOf(revision: string): Promise<string>;
  /** Asks for the list of all files of a commit. */
  files(commit: string): Promise<HubFile[]>;
  /** Asks for a file's bytes from `offset` on. It may send the whole file; then the result's offset is 0. */
  open(commit: string, path: string, offset: number): Promise<{ offset: number; bytes: AsyncIterable<Uint8Array> }>;
}

/** The offset from which an answer to a request for bytes from `offset` on has them. */
export function offsetOf(response: Response, offset: number): number {
  const resumed = response.status === 206 && response.headers.get("Content-Range")?.startsWith(`bytes ${offset}-`);
  return resumed ? offset : 0;
}
