import { test } from "uvu";
import "../untuned.ts";
import { amusd, assertRefused } from "./host.ts";

test("tune refuses a device that isn't there", async () => {
  assertRefused(
    await amusd("tune", "--device", "nope"),
    1,
    /^Cannot use device "nope": no adapter has this index or name;/,
  );
});

test.run();
