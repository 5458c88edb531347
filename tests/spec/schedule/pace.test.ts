import { test } from "uvu";
import * as assert from "uvu/assert";
import { Pace } from "../../../src/spec/schedule/pace.ts";

const ALONE_MS = 10;

/** Feeds verifications of one text, each with its tokens and ms, until drafting rests or they end; returns how many there were. */
function feed(pace: Pace, steps: readonly { tokens: number; ms: number; gain?: number }[], position = 100): number {
  let endMs = 1000;
  pace.add(position++, 1, endMs, ALONE_MS, 1);
  for (const [i, { tokens, ms, gain = 1 }] of steps.entries()) {
    pace.add(position, tokens, endMs += ms, ALONE_MS, gain);
    position += tokens;
    if (pace.rests) return i + 1;
  }
  return steps.length;
}

/** How many tokens it rests for, from a position on, if each takes so long. */
function restOf(pace: Pace, position: number): number {
  let rested = 0;
  for (; pace.rests; rested++) pace.add(position + rested, 1, 1e6 + rested * ALONE_MS, ALONE_MS, 1);
  return rested;
}

const repeat = <T>(count: number, value: T): T[] => Array<T>(count).fill(value);

test("Pace lets drafting go on where it gains, however luck has it", () => {
  const pace = new Pace();
  feed(pace, Array.from({ length: 500 }, (_, i) => ({ tokens: i % 7 === 0 ? 5 : 1, ms: 14, gain: 1.1 })));
  assert.not.ok(pace.rests, "1.57 tokens a verification of 1.4 tokens' time, as expected");
});

test("Pace leaves drafting off once it has lost more than chance would, and tries a new text anew", () => {
  const pace = new Pace();
  assert.is(feed(pace, repeat(99, { tokens: 1, ms: 11.25 })), 9, "an eighth each, a token's time in all");
  assert.is(restOf(pace, 110), 64);
  assert.is(feed(pace, repeat(99, { tokens: 1, ms: 18 }), 5000), 5, "two standard deviations");
  assert.is(restOf(pace, 5006), 64);
  const unlucky = [...repeat(5, { tokens: 1, ms: 14, gain: 1.1 }), { tokens: 4, ms: 14, gain: 1.1 }];
  assert.is(
    feed(pace, Array.from({ length: 20 }, () => unlucky).flat(), 9000),
    120,
    "five tokens of six are wrong, and yet it gains",
  );
});

test("Pace doubles a rest where drafting loses again at once, and not after it has gained", () => {
  const pace = new Pace();
  let position = 10;
  let endMs = 0;
  const lose = () => {
    let verifications = 0;
    for (; !pace.rests; verifications++) pace.add(position++, 1, endMs += 30, ALONE_MS, 1);
    return verifications;
  };
  const rest = () => {
    let rested = 0;
    for (; pace.rests; rested++) pace.add(position++, 1, endMs += ALONE_MS, ALONE_MS, 1);
    return rested;
  };
  const rests = [];
  for (let i = 0; i < 5; i++) {
    lose();
    rests.push(rest());
  }
  assert.equal(rests, [64, 128, 256, 512, 512]);
  for (let i = 0; i < 60; i++) pace.add(position++, 1, endMs += 8, ALONE_MS, 1);
  assert.is(lose(), 5, "what was gained before makes it no more patient");
  assert.is(rest(), 64);
});

test("Pace takes one outlier for no verdict", () => {
  const pace = new Pace();
  feed(pace, [...repeat(9, { tokens: 2, ms: 15 }), { tokens: 1, ms: 6000 }, ...repeat(99, { tokens: 2, ms: 15 })]);
  assert.not.ok(pace.rests);
});

test("Pace has more patience where a gain is expected, up to twice as much, and less where a loss is", () => {
  // An eighth of a token's time each.
  const patience = (gain: number) => feed(new Pace(), repeat(99, { tokens: 1, ms: 11.25, gain }));
  assert.equal([0.9, 1, 1.05, 1.5, 3].map(patience), [6, 9, 10, 17, 17]);
  const pace = new Pace();
  feed(pace, repeat(99, { tokens: 2, ms: 15, gain: 0.9 }));
  assert.not.ok(pace.rests, "where it does gain, that counts");
});

test("Pace says nothing before it is known what the verify lane takes alone", () => {
  const pace = new Pace();
  for (let i = 0; i < 99; i++) pace.add(i, 1, 100 * i, undefined, undefined);
  assert.not.ok(pace.rests);
});

test.run();
