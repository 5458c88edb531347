import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Profile } from "../../src/cli/profile.ts";
import type { GenerationRecord } from "../../src/engine/generation-run.ts";
import { MODELS } from "./fixture.ts";
import { amusd, recordOf } from "./host.ts";

test("--profile adds the kernels' times to the summary, with --json to the record", async () => {
  const args = [
    "--prompt",
    "The",
    "--raw",
    "--max-tokens",
    "8",
    "--strategy",
    "sd",
    "--context",
    "32",
    "--profile",
  ];
  const told = await amusd(...MODELS, ...args);
  assert.is(told.code, 0, told.stderr);
  for (const lane of ["verify", "draft"]) {
    assert.match(told.stderr, new RegExp(`^${lane} on .+, kernels "[\\w-]+"; its limits`, "m"));
  }
  const step = / at position 11: \d+\.\d\d ms, \d+ dispatches; /;
  for (const what of ["decode step", "verification of 6 rows", "draft step"]) {
    assert.match(told.stderr, new RegExp(`^${what}${step.source}`, "m"));
  }
  assert.match(told.stderr, /^gate and up +\d+ /m);

  const record = recordOf(await amusd(...MODELS, ...args, "--json")) as GenerationRecord & { profile: Profile };
  assert.equal(Object.keys(record.profile), ["verify", "draft"]);
  assert.equal(record.profile.verify!.steps.map(({ rows }) => rows), [1, 6]);
  assert.equal(record.profile.draft!.steps.map(({ rows, position }) => [rows, position]), [[1, 11]]);
  assert.is(record.profile.verify!.variant, record.variants.verify);
});

test.run();
