import { test } from "uvu";
import * as assert from "uvu/assert";
import { Pace } from "../../src/spec/pace.ts";

const ALONE_MS = 10;

/** Feeds verifications of one text, each with its tokens and ms, until drafting rests or they end; returns how many there were. */
function feed(pace: Pace, steps: readonly { tokens: number; ms: number; gain?: number }[], position = 100): number {
  let endMs = 1000;
  pace.add(position++, 1, endMs, ALONE_MS, 1.2);
  for (const [i, { tokens, ms, gain = 1.2 }] of steps.entries()) {
    pace.add(position, tokens, endMs += ms, ALONE_MS, gain);
    position += tokens;
    if (pace.rests) return i + 1;
  }
  return steps.length;
}

/** How many tokens it rests for, from a position on, if each takes so long. */
function restOf(pace: Pace, position: number, ms = ALONE_MS): number {
  let rested = 0;
  for (; pace.rests; rested++) pace.add(position + rested, 1, 1e6 + rested * ms, ALONE_MS, 1.2);
  return rested;
}

const repeat = <T>(count: number, value: T): T[] => Array<T>(count).fill(value);

test("Pace lets drafting go on where it gains, however luck has it", () => {
  const pace = new Pace();
  feed(pace, Array.from({ length: 500 }, (_, i) => ({ tokens: i % 7 === 0 ? 5 : 1, ms: 14 })));
  assert.not.ok(pace.rests, "1.57 tokens a verification of 1.4 tokens' time");
});

test("Pace leaves drafting off once it has lost more than chance would, and tries a new text anew", () => {
  const pace = new Pace();
  assert.is(feed(pace, repeat(99, { tokens: 1, ms: 11.25 })), 17, "an eighth each, two tokens' time in all");
  assert.is(restOf(pace, 118), 64);
  assert.is(feed(pace, repeat(99, { tokens: 1, ms: 18 }), 5000), 7, "2.5 standard deviations");
  assert.is(restOf(pace, 5008), 64);
  const unlucky = [...repeat(5, { tokens: 1, ms: 14 }), { tokens: 4, ms: 14 }];
  assert.is(
    feed(pace, Array.from({ length: 20 }, () => unlucky).flat(), 9000),
    120,
    "five tokens of six are wrong, and yet it gains",
  );
});

test("Pace doubles a rest where drafting loses again at once, and not after it went well for long", () => {
  const pace = new Pace();
  let position = 10;
  let endMs = 0;
  const lose = () => {
    let verifications = 0;
    for (; !pace.rests; verifications++) pace.add(position++, 1, endMs += 30, ALONE_MS, 1.2);
    return verifications;
  };
  const rest = () => {
    let rested = 0;
    for (; pace.rests; rested++) pace.add(position++, 1, endMs += ALONE_MS, ALONE_MS, 1.2);
    return rested;
  };
  const rests = [];
  for (let i = 0; i < 5; i++) {
    lose();
    rests.push(rest());
  }
  assert.equal(rests, [64, 128, 256, 512, 512]);
  for (let i = 0; i < 600; i++) pace.add(position++, 1, endMs += 8, ALONE_MS, 1.2);
  assert.is(lose(), 7, "what was gained before makes it no more patient");
  assert.is(rest(), 64);
});

test("Pace ends a rest where the verify lane alone is no faster: the machine was slower for a while", () => {
  const pace = new Pace();
  const slow = repeat(99, { tokens: 1, ms: 14 });
  assert.is(feed(pace, slow), 7);
  assert.is(restOf(pace, 108, 14), 8);
  assert.is(feed(pace, slow, 300), 7);
  assert.is(restOf(pace, 308, 13), 64, "it is faster");
});

test("Pace takes one outlier for no verdict", () => {
  const pace = new Pace();
  feed(pace, [...repeat(9, { tokens: 2, ms: 15 }), { tokens: 1, ms: 6000 }, ...repeat(99, { tokens: 2, ms: 15 })]);
  assert.not.ok(pace.rests);
});

test("Pace leaves drafting off where no gain is to be expected, after a few verifications", () => {
  const pace = new Pace();
  assert.is(feed(pace, repeat(99, { tokens: 1, ms: 10.5, gain: 0.9 })), 6);
  assert.ok(pace.rests);
  feed(pace, repeat(99, { tokens: 2, ms: 15, gain: 0.9 }), 5000);
  assert.not.ok(pace.rests, "but not where it does gain");
});

test("Pace says nothing before it is known what the verify lane takes alone", () => {
  const pace = new Pace();
  for (let i = 0; i < 99; i++) pace.add(i, 1, 100 * i, undefined, undefined);
  assert.not.ok(pace.rests);
});

test.run();
