// What the tests of commands share: a folder of their own with a small pair of models in it.

import { test } from "uvu";
import { randomModel } from "../random-models.ts";
import "../untuned.ts";

const folder = await Deno.makeTempDir();
test.after(() => Deno.remove(folder, { recursive: true }));

/** A path in the tests' folder. */
export const at = (name: string): string => `${folder}/${name}`;

/** Writes a file into the tests' folder; returns its path. */
export function write(name: string, content: string | Uint8Array): string {
  Deno.writeFileSync(at(name), typeof content === "string" ? new TextEncoder().encode(content) : content);
  return at(name);
}

export const verifyPath: string = write("verify.gguf", randomModel());
export const draftPath: string = write("draft.gguf", randomModel({ ropeBase: 2000 }));

/** The flags for the pair, and those for its verify model alone. */
export const MODELS: readonly string[] = ["--verify-model-path", verifyPath, "--draft-model-path", draftPath];
export const VERIFY: readonly string[] = MODELS.slice(0, 2);

/** Windows has neither these signals nor links for everyone. */
export const onUnix = Deno.build.os === "windows" ? test.skip : test;
