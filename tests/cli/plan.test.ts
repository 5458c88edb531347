import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Plan } from "../../src/plan/plan.ts";
import { at, MODELS, write } from "./fixture.ts";
import { amusd, assertRefused } from "./host.ts";

test("plan takes a recorded run's times and chances, or hardware, and writes a trace", async () => {
  const [record, trace] = [at("recorded.json"), at("planned.json")];
  const made = await amusd(
    ...MODELS,
    "--prompt",
    "a",
    "--max-tokens",
    "100",
    "--launch",
    "fixed:3",
    "--output-file",
    record,
  );
  assert.is(made.code, 0, made.stderr);
  const sizes = ["--tokens", "40", "--runs", "1"];
  const recorded = await amusd("plan", "--times", record, "--record", record, ...sizes, "--json");
  assert.is(recorded.code, 0, recorded.stderr);
  const { rows, use } = JSON.parse(recorded.stdout) as Plan;
  assert.is(rows[0]!.setting, "greedy");
  assert.ok(rows.some(({ setting }) => setting === use));
  // In older records the runners-up have another name.
  const old = write("old.json", Deno.readTextFileSync(record).replaceAll('"runnersUp"', '"seconds"'));
  const asBefore = await amusd("plan", "--times", old, "--record", old, ...sizes, "--json");
  assert.is(asBefore.stdout, recorded.stdout);
  const planned = await amusd("plan", "--acceptance", "0.9", ...sizes, "--trace", trace);
  assert.match(planned.stdout, /^setting .*\ngreedy .*\nsd --lookahead 5 [^]*\nuse: --strategy [a-z]/);
  assert.ok(JSON.parse(Deno.readTextFileSync(trace)).traceEvents.length > 40);
  assertRefused(
    await amusd("plan", ...sizes, "--trace", trace),
    2,
    /^Cannot write ".*planned\.json": it is there already; /,
  );
  const chain = ["--middle-model", "llama-3.1-8b:q4_k", "--verify-model", "llama-3.1-70b:q4_k"];
  const three: Plan = JSON.parse((await amusd("plan", ...chain, ...sizes, "--json")).stdout);
  assert.equal(three.rows.slice(-2).map(({ setting }) => setting), [
    "amusd --draft-model-path MIDDLE",
    "amusd --middle-model-path MIDDLE",
  ]);
  const others = three.rows.slice(0, -1).map(({ msPerToken }) => msPerToken);
  assert.is(three.chainGain, Math.min(...others) / three.rows.at(-1)!.msPerToken);
  assert.match((await amusd("plan", ...chain, ...sizes)).stdout, /\nthree models are \d\.\d\d times as fast as the /);
  assertRefused(
    await amusd("plan", ...chain, "--times", record),
    2,
    /^Cannot plan a chain by --times, which has two lanes; give /,
  );
  assert.match((await amusd("plan", "--list-hardware")).stdout, /"rtx-4090"/);
});

test.run();
