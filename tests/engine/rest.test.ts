import vm from "node:vm";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { simulatedEngine } from "../serve/simulated-engine.ts";

/** The kinds of collections so far: the platform file takes V8's `gc` from a new context. */
const collected: string[] = [];
vm.runInNewContext = () => ({ type }: { readonly type: string }) => void collected.push(type);

test("garbage is collected before a run whose times compare; others wait for none", async () => {
  const engine = await simulatedEngine();
  const generate = async (reuseCache: boolean) => await engine.generate("Hello", { maxTokens: 4, reuseCache }).text;
  await generate(false);
  assert.equal(collected, ["major"]);
  // The next one begins as soon as the one before has ended.
  await generate(true);
  await generate(true);
  assert.equal(collected, ["major"]);
  await new Promise((resolve) => setTimeout(resolve, 0));
  assert.equal(collected, ["major", "major"], "at rest");
});

test.run();
