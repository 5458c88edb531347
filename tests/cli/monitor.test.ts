import { test } from "uvu";
import * as assert from "uvu/assert";
import { amusd } from "./host.ts";

test("the monitor shows a line a sample, as text and as JSON", async () => {
  const json = await amusd("monitor", "--count", "2", "--interval", "50", "--json");
  assert.is(json.code, 0, json.stderr);
  const lines = json.stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.is(lines.length, 2);
  const names = new Set(
    JSON.parse((await amusd("devices", "--json")).stdout).map(({ name }: { name: string }) => name),
  );
  for (const { time, devices } of lines) {
    assert.is(new Date(time).toISOString(), time);
    assert.equal(new Set(devices.flatMap(({ name }: { name: string }) => name.split(/, (?!\d)/))), names);
  }
  const text = await amusd("monitor", "--count", "1", "--interval", "50");
  assert.match(text.stdout, /^\d{4}-\S+Z {2}.+: (\d+ %|-), (\d+ MiB|-), (\d+\.\d W|-)\n$/);
});

test.run();
