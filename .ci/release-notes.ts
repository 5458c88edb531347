// Prints the changelog's section of a release: `deno run --allow-read .ci/release-notes.ts v1.2.3`. Where the tag is
// not the packages' version, or the section has no date yet, it ends with an error, so that nothing is published.

import denoManifest from "../deno.json" with { type: "json" };
import npmManifest from "../package.json" with { type: "json" };

/**
 * The notes of the release `tag`, such as "v1.2.3". Throws an Error where the tag is not the version of all packages,
 * or the changelog has no section for that version with a date.
 */
export function releaseNotes(tag: string, versions: readonly string[], changelog: string): string {
  const version = tag.slice(1);
  if (versions.some((other) => tag !== `v${other}`)) {
    throw new Error(`Cannot release "${tag}": the packages have versions ${versions.join(" and ")}; make all the same`);
  }
  const section = changelog.split(/^## /m).find((text) => text.startsWith(`[${version}] - `)) ?? "";
  const [, notes] = /^\[[^\]]+\] - \d{4}-\d\d-\d\d\n+([^]+)$/.exec(section) ?? [];
  if (!notes) {
    throw new Error(`Cannot release "${tag}": CHANGELOG.md lacks a section "## [${version}] - DATE"; write it first`);
  }
  return notes.trimEnd() + "\n";
}

if (import.meta.main) {
  const changelog = await Deno.readTextFile(new URL("../CHANGELOG.md", import.meta.url));
  try {
    const notes = releaseNotes(Deno.args[0] ?? "", [npmManifest.version, denoManifest.version], changelog);
    Deno.stdout.writeSync(new TextEncoder().encode(notes));
  } catch (error) {
    console.error((error as Error).message);
    Deno.exit(1);
  }
}
