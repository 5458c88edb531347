// The package on JSR, checked by `deno publish`.

import { test } from "uvu";
import * as assert from "uvu/assert";

const root = new URL("../", import.meta.url);

test("deno publish would pass, and leaves the models out", async () => {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["publish", "--dry-run", "--allow-dirty"],
    cwd: root,
    env: { NO_COLOR: "1" },
  }).output();
  // The clone's own folder may have any name.
  const report = new TextDecoder().decode(stderr).replaceAll(root.href, "");
  assert.ok(success, report);
  assert.match(report, /^ +src\/.*\.wgsl \(/m);
  assert.not.match(report, /^ +(models|tests)\/|\.gguf/m);
});

test.run();
