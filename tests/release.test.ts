// A release needs one version everywhere, and a section of the changelog.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { releaseNotes } from "../.ci/release-notes.ts";
import denoManifest from "../deno.json" with { type: "json" };
import npmManifest from "../package.json" with { type: "json" };

const changelog = await Deno.readTextFile(new URL("../CHANGELOG.md", import.meta.url));

test("package.json, deno.json and the changelog's newest section have one version", () => {
  const { version } = npmManifest;
  assert.is(denoManifest.version, version);
  assert.is(/^## \[(\d[^\]]*)\]/m.exec(changelog)?.[1], version);
});

test("the changelog's sections have dates, but for the newest", () => {
  const headings = changelog.match(/^## .*$/gm)!.filter((heading) => heading !== "## [Unreleased]");
  assert.match(headings[0]!, /^## \[\d+\.\d+\.\d+\] - (Unreleased|\d{4}-\d\d-\d\d)$/);
  for (const heading of headings.slice(1)) assert.match(heading, /^## \[\d+\.\d+\.\d+\] - \d{4}-\d\d-\d\d$/);
});

test("a release's notes are its section, and no more", () => {
  const log = "# Changelog\n\n## [0.2.0] - 2027-01-02\n\n### Added\n\n- b\n\n## [0.1.0] - 2026-12-01\n\n- a\n";
  assert.is(releaseNotes("v0.2.0", ["0.2.0"], log), "### Added\n\n- b\n");
  assert.is(releaseNotes("v0.1.0", ["0.1.0"], log), "- a\n");
  assert.throws(
    () => releaseNotes("v0.2.0", ["0.2.0", "0.3.0"], log),
    /"v0\.2\.0": the packages have versions 0\.2\.0 and 0/,
  );
  assert.throws(() => releaseNotes("v0.3.0", ["0.3.0"], log), /lacks a section "## \[0\.3\.0\] - DATE"/);
  assert.throws(
    () => releaseNotes("v0.2.0", ["0.2.0"], log.replace("2027-01-02", "Unreleased")),
    /lacks a section "## \[0\.2\.0\] - DATE"/,
  );
});

test.run();
