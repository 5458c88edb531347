import { test } from "uvu";
import * as assert from "uvu/assert";
import { amusd } from "./host.ts";

test("devices lists them, for people and as JSON", async () => {
  const { code, stdout, stderr } = await amusd("devices");
  assert.is(code, 0, stderr);
  assert.match(stdout, /^0 {2}\S.*\n {3}\w+, \w+, .*\n {3}features: .*\n {3}buffers of \d+ MiB, bindings of \d+ MiB, /);
  assert.not.match(stdout + stderr, "\x1b");
  const listed = JSON.parse((await amusd("devices", "--json")).stdout);
  assert.equal(listed.map(({ index }: { index: number }) => index), listed.map((_: unknown, i: number) => i));
  for (const field of ["name", "driver", "kind", "features", "limits"]) assert.ok(field in listed[0], field);
  assert.ok(stdout.startsWith(`0  ${listed[0].name}\n`));
});

test.run();
