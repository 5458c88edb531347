import vm from "node:vm";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { simulatedEngine } from "../serve/simulated-engine.ts";

/** How many collections there were so far: the platform file takes V8's `gc` from a new context. */
let collected = 0;
vm.runInNewContext = () => () => void collected++;

test("garbage is collected before a run whose times compare; others wait for none", async () => {
  const engine = await simulatedEngine();
  const generate = async (reuseCache: boolean) => await engine.generate("Hello", { maxTokens: 4, reuseCache }).text;
  await generate(false);
  assert.is(collected, 1);
  // The next one begins as soon as the one before has ended.
  await generate(true);
  await generate(true);
  assert.is(collected, 1);
  await new Promise((resolve) => setTimeout(resolve, 0));
  assert.is(collected, 2, "at rest");
});

test.run();
