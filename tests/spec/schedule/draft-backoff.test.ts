import { test } from "uvu";
import * as assert from "uvu/assert";
import { DraftBackoff } from "../../../src/spec/schedule/draft-backoff.ts";

const ALONE_MS = 10;

/**
 * Feeds verifications of one text, each with its tokens and ms, until drafting is paused or they end; returns how many
 * there were.
 */
function feed(
  backoff: DraftBackoff,
  steps: readonly { tokens: number; ms: number; gain?: number }[],
  position = 100,
): number {
  let endMs = 1000;
  backoff.observe(position++, 1, endMs, ALONE_MS, 1);
  for (const [i, { tokens, ms, gain = 1 }] of steps.entries()) {
    backoff.observe(position, tokens, endMs += ms, ALONE_MS, gain);
    position += tokens;
    if (backoff.isPaused) return i + 1;
  }
  return steps.length;
}

/** How many tokens drafting is paused for, from a position on, if each takes what it takes alone. */
function cooldownOf(backoff: DraftBackoff, position: number): number {
  let tokens = 0;
  for (; backoff.isPaused; tokens++) backoff.observe(position + tokens, 1, 1e6 + tokens * ALONE_MS, ALONE_MS, 1);
  return tokens;
}

const repeat = <T>(count: number, value: T): T[] => Array<T>(count).fill(value);

test("DraftBackoff lets drafting go on where it gains, however luck has it", () => {
  const backoff = new DraftBackoff();
  feed(backoff, Array.from({ length: 500 }, (_, i) => ({ tokens: i % 7 === 0 ? 5 : 1, ms: 14, gain: 1.1 })));
  assert.not.ok(backoff.isPaused, "1.57 tokens a verification of 1.4 tokens' time, as expected");
});

test("DraftBackoff leaves drafting off once it has lost more than chance would, and tries a new text anew", () => {
  const backoff = new DraftBackoff();
  assert.is(feed(backoff, repeat(99, { tokens: 1, ms: 11.25 })), 9, "an eighth each, a token's time in all");
  assert.is(cooldownOf(backoff, 110), 64);
  assert.is(feed(backoff, repeat(99, { tokens: 1, ms: 18 }), 5000), 5, "two standard deviations");
  assert.is(cooldownOf(backoff, 5006), 64);
  const unlucky = [...repeat(5, { tokens: 1, ms: 14, gain: 1.1 }), { tokens: 4, ms: 14, gain: 1.1 }];
  assert.is(
    feed(backoff, Array.from({ length: 20 }, () => unlucky).flat(), 9000),
    120,
    "five tokens of six are wrong, and yet it gains",
  );
});

test("DraftBackoff doubles a cooldown where drafting loses again at once, and not after it has gained", () => {
  const backoff = new DraftBackoff();
  let position = 10;
  let endMs = 0;
  const lose = () => {
    let verifications = 0;
    for (; !backoff.isPaused; verifications++) backoff.observe(position++, 1, endMs += 30, ALONE_MS, 1);
    return verifications;
  };
  const coolDown = () => {
    let tokens = 0;
    for (; backoff.isPaused; tokens++) backoff.observe(position++, 1, endMs += ALONE_MS, ALONE_MS, 1);
    return tokens;
  };
  const cooldowns = [];
  for (let i = 0; i < 5; i++) {
    lose();
    cooldowns.push(coolDown());
  }
  assert.equal(cooldowns, [64, 128, 256, 512, 512]);
  for (let i = 0; i < 60; i++) backoff.observe(position++, 1, endMs += 8, ALONE_MS, 1);
  assert.is(lose(), 5, "what was gained before makes it no more patient");
  assert.is(coolDown(), 64);
});

test("DraftBackoff takes one outlier for no verdict", () => {
  const backoff = new DraftBackoff();
  feed(backoff, [...repeat(9, { tokens: 2, ms: 15 }), { tokens: 1, ms: 6000 }, ...repeat(99, { tokens: 2, ms: 15 })]);
  assert.not.ok(backoff.isPaused);
});

test("DraftBackoff has more patience where a gain is expected, up to twice as much, and less where a loss is", () => {
  // An eighth of a token's time each.
  const patience = (gain: number) => feed(new DraftBackoff(), repeat(99, { tokens: 1, ms: 11.25, gain }));
  assert.equal([0.9, 1, 1.05, 1.5, 3].map(patience), [6, 9, 10, 17, 17]);
  const backoff = new DraftBackoff();
  feed(backoff, repeat(99, { tokens: 2, ms: 15, gain: 0.9 }));
  assert.not.ok(backoff.isPaused, "where it does gain, that counts");
});

test("DraftBackoff says nothing before it is known what the verify lane takes alone", () => {
  const backoff = new DraftBackoff();
  for (let i = 0; i < 99; i++) backoff.observe(i, 1, 100 * i, undefined, undefined);
  assert.not.ok(backoff.isPaused);
});

test.run();
