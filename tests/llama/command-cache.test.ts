import { test } from "uvu";
import * as assert from "uvu/assert";
import { CommandCache } from "../../src/llama/command-cache.ts";

/** A cache with slots "1", "2" and so on, that notes what it encodes. */
function created(slots: number, maxSpares: number) {
  const encoded: string[] = [];
  const names = Array.from({ length: slots }, (_, i) => `${i + 1}`);
  const cache = new CommandCache<{ name: string }, string>(names, maxSpares, ({ name }, slot) => {
    encoded.push(name);
    return [`${name} in ${slot}` as unknown as GPUCommandBuffer];
  });
  return { cache, encoded };
}
const [A, B, C] = [{ name: "a" }, { name: "b" }, { name: "c" }];

test("a spare is taken once, and only by its kind", async () => {
  const { cache, encoded } = created(4, 2);
  cache.prepare(A);
  cache.prepare(A);
  assert.equal(encoded, ["a"], "one spare of a kind");
  assert.equal((await cache.take({ ...A })).commands.length, 1);
  assert.equal(encoded, ["a", "a"], "an equal kind is not the same");
  const spare = await cache.take(A);
  assert.equal(spare.commands, [`a in ${spare.slot}`]);
  assert.equal(encoded, ["a", "a"]);
  await cache.take(A);
  assert.equal(encoded, ["a", "a", "a"]);
});

test("the oldest spare makes room for another one, and its slot is used again", async () => {
  const { cache, encoded } = created(3, 2);
  cache.prepare(A);
  cache.prepare(B);
  cache.prepare(C);
  assert.equal(encoded, ["a", "b", "c"]);
  const taken = [await cache.take(B), await cache.take(C), await cache.take(A)];
  assert.equal(encoded, ["a", "b", "c", "a"], "the first one was dropped");
  assert.is(new Set(taken.map(({ slot }) => slot)).size, 3, "no slot is used twice");
});

test("one that finds no slot waits for the next release, and no spare is made then", async () => {
  const { cache, encoded } = created(1, 1);
  const { slot } = await cache.take(A);
  cache.prepare(B);
  assert.equal(encoded, ["a"]);
  let waited = true;
  const next = cache.take(B).then((encoded) => {
    waited = false;
    return encoded;
  });
  await new Promise((resolve) => setTimeout(resolve, 1));
  assert.ok(waited);
  cache.release(slot);
  assert.equal(await next, { slot, commands: ["b in 1"] });
  cache.release(slot);
  assert.is(await cache.takeSlot(), slot);
});

test.run();
