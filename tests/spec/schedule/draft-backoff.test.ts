import { test } from "uvu";
import * as assert from "uvu/assert";
import { DraftBackoff, type RememberedGain } from "../../../src/spec/schedule/draft-backoff.ts";

const ALONE_MS = 10;

/** A verification that commits one token. */
const one = (position: number, endMs: number, expectedGain = 1) => ({
  position,
  tokens: 1,
  endMs,
  aloneMs: ALONE_MS,
  expectedGain,
});

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
  backoff.begin();
  backoff.observe(one(position++, endMs));
  for (const [i, { tokens, ms, gain = 1 }] of steps.entries()) {
    backoff.observe({ position, tokens, endMs: endMs += ms, aloneMs: ALONE_MS, expectedGain: gain });
    position += tokens;
    if (backoff.isPaused) return i + 1;
  }
  return steps.length;
}

/** How many tokens drafting is paused for, in a new text, if each takes what it takes alone. */
function cooldownOf(backoff: DraftBackoff, position: number): number {
  let tokens = 0;
  backoff.begin();
  backoff.observe(one(position, 1e6));
  for (; backoff.isPaused; tokens++) {
    backoff.observe(one(position + 1 + tokens, 1e6 + (tokens + 1) * ALONE_MS));
  }
  return tokens;
}

const repeat = <T>(count: number, value: T): T[] => Array<T>(count).fill(value);

test("DraftBackoff lets drafting go on where it gains, however luck has it", () => {
  const backoff = new DraftBackoff();
  feed(backoff, Array.from({ length: 500 }, (_, i) => ({ tokens: i % 7 === 0 ? 5 : 1, ms: 14, gain: 1.1 })));
  assert.not.ok(backoff.isPaused, "1.57 tokens a verification of 1.4 tokens' time, as expected");
});

test("DraftBackoff leaves drafting off once it has lost more than chance would, in the next text too", () => {
  const backoff = new DraftBackoff();
  assert.is(feed(backoff, repeat(99, { tokens: 1, ms: 11.25 })), 25, "an eighth each, three tokens' time in all");
  assert.is(backoff.remembered.pause, 48);
  backoff.begin();
  assert.ok(backoff.isPaused);
  assert.is(
    feed(new DraftBackoff(), repeat(99, { tokens: 1, ms: 18 }), 5000),
    7,
    "five tokens' time, whatever chance is",
  );
});

test("DraftBackoff takes luck for what it is", () => {
  const backoff = new DraftBackoff();
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
  backoff.observe(one(position++, endMs));
  const lose = () => {
    let verifications = 0;
    for (; !backoff.isPaused; verifications++) {
      backoff.observe(one(position++, endMs += 30));
    }
    return verifications;
  };
  const coolDown = () => {
    let tokens = 0;
    for (; backoff.isPaused; tokens++) {
      // In texts of 16 tokens.
      if (tokens % 16 === 0) {
        backoff.begin();
        backoff.observe(one(position++, endMs += ALONE_MS));
        if (!backoff.isPaused) break;
      }
      backoff.observe(one(position++, endMs += ALONE_MS));
    }
    return tokens;
  };
  const cooldowns = [];
  for (let i = 0; i < 5; i++) {
    lose();
    cooldowns.push(coolDown());
  }
  assert.equal(cooldowns, [48, 96, 192, 384, 512]);
  for (let i = 0; i < 60; i++) {
    backoff.observe(one(position++, endMs += 8));
  }
  lose();
  assert.is(coolDown(), 48);
});

test("DraftBackoff doubles cooldowns too where drafting gained on a machine as it was before", () => {
  const backoff = new DraftBackoff({ expected: 1.2, achieved: 1.2, tokens: 180, pause: 0, cooldown: 48, tries: 0 });
  const pauses = [];
  for (let position = 0; pauses.length < 7; position += 1e4) {
    feed(backoff, repeat(99, { tokens: 1, ms: 30 }), position);
    pauses.push(backoff.remembered.pause);
    cooldownOf(backoff, position + 5000);
  }
  assert.equal(pauses, [48, 48, 48, 96, 192, 384, 512]);
  assert.ok(backoff.remembered.achieved > 1, "on average it has gained still");
});

test("DraftBackoff counts such tries over processes of one text each", () => {
  let remembered: RememberedGain = { expected: 1.2, achieved: 1.2, tokens: 180, pause: 0, cooldown: 48, tries: 0 };
  const pauses = [];
  for (let i = 0; i < 5; i++) {
    const backoff = new DraftBackoff({ ...remembered, pause: 0 });
    feed(backoff, repeat(99, { tokens: 1, ms: 30 }));
    remembered = backoff.remembered;
    pauses.push(remembered.pause);
  }
  assert.equal(pauses, [48, 48, 48, 96, 192]);
});

test("DraftBackoff ends a pause within a text too", () => {
  const backoff = new DraftBackoff();
  feed(backoff, repeat(99, { tokens: 1, ms: 18 }));
  assert.is(backoff.remembered.pause, 48);
  let tokens = 0;
  for (; backoff.isPaused; tokens++) {
    backoff.observe(one(5000 + tokens, 1e5 + (tokens + 1) * ALONE_MS));
  }
  // The first one only tells where the text is.
  assert.is(tokens, 1 + 128);
});

test("DraftBackoff's pause takes as many tokens of a text as its prompt has, which the draft lane isn't fed", () => {
  const remembered = { expected: 1.2, achieved: 0.9, tokens: 150, pause: 10, cooldown: 256, tries: 0 };
  assert.is(cooldownOf(new DraftBackoff(remembered), 40), 128);
  assert.is(cooldownOf(new DraftBackoff(remembered), 300), 300);
  assert.is(cooldownOf(new DraftBackoff({ ...remembered, pause: 0 }), 300), 0);
});

test("DraftBackoff takes one outlier for no verdict", () => {
  const backoff = new DraftBackoff();
  feed(backoff, [...repeat(9, { tokens: 2, ms: 15 }), { tokens: 1, ms: 6000 }, ...repeat(99, { tokens: 2, ms: 15 })]);
  assert.not.ok(backoff.isPaused);
});

test("DraftBackoff has more patience where a gain is expected, up to twice as much, and less where a loss is", () => {
  // An eighth of a token's time each.
  const patience = (gain: number) => feed(new DraftBackoff(), repeat(99, { tokens: 1, ms: 11.25, gain }));
  assert.equal([0.9, 1, 1.05, 1.5, 3].map(patience), [20, 25, 27, 49, 49]);
  const backoff = new DraftBackoff();
  feed(backoff, repeat(99, { tokens: 2, ms: 15, gain: 0.9 }));
  assert.not.ok(backoff.isPaused, "where it does gain, that counts");
});

test("DraftBackoff says nothing before it is known what the verify lane takes alone", () => {
  const backoff = new DraftBackoff();
  for (let i = 0; i < 99; i++) backoff.observe({ position: i, tokens: 1, endMs: 100 * i });
  assert.not.ok(backoff.isPaused);
});

test("DraftBackoff corrects what is expected by what came of it", () => {
  const backoff = new DraftBackoff();
  // 1.3 is expected, and 1.1 comes: no loss.
  feed(backoff, repeat(300, { tokens: 1, ms: ALONE_MS / 1.1, gain: 1.3 }));
  assert.ok(Math.abs(backoff.remembered.achieved - 1.1) < 0.02, `${backoff.remembered.achieved}`);
  const { expected, achieved } = backoff.gain!;
  assert.ok(Math.abs(achieved - 1.1) < 0.001, `${achieved}`);
  assert.ok(expected > 1.1 && expected < 1.2, `${expected}: at first 1.3, then less and less`);
  feed(backoff, repeat(50, { tokens: 1, ms: ALONE_MS / 1.1, gain: 1.3 }));
  assert.ok(Math.abs(backoff.gain!.expected - 1.1) < 0.03, "in a later run from the beginning");
  // What was expected to gain a little is now expected to lose: less is lost before it is paused.
  const loss = repeat(99, { tokens: 1, ms: 11.25, gain: 1.05 });
  assert.ok(feed(backoff, loss) < feed(new DraftBackoff(), loss));
});

test("DraftBackoff counts a pause as neither gain nor loss, and knows by it what the verify lane takes alone", () => {
  const backoff = new DraftBackoff();
  // The machine is half as fast as it was when the verify lane was last seen alone: drafting seems to lose.
  const lost = feed(backoff, repeat(99, { tokens: 2, ms: 28, gain: 1.2 }));
  assert.ok(backoff.isPaused);
  let [position, endMs] = [100 + 1 + 2 * lost, 1000 + 28 * lost];
  for (; backoff.isPaused; position++) {
    backoff.observe(one(position, endMs += 20, 1.2));
  }
  assert.ok(backoff.remembered.achieved > 1.1, "40 ms alone for what took 28");
});

test("DraftBackoff goes on with what was remembered: the pause and the next one's length too", () => {
  const lost = { expected: 1.2, achieved: 0.9, tokens: 150, pause: 30, cooldown: 256, tries: 2 };
  const backoff = new DraftBackoff(lost);
  const { expected, achieved, ...counts } = backoff.remembered;
  assert.ok(Math.abs(expected - 1.2) < 1e-9 && Math.abs(achieved - 0.9) < 1e-9);
  assert.equal(counts, { tokens: 150, pause: 30, cooldown: 256, tries: 2 });
  backoff.begin();
  for (let i = 0; i <= 40; i++) {
    backoff.observe(one(i, i * ALONE_MS));
  }
  assert.ok(backoff.isPaused && backoff.remembered.pause === 0, "it takes more of a text");
  feed(backoff, repeat(99, { tokens: 1, ms: 18 }));
  assert.is(backoff.remembered.pause, 256, "it began anew with the next text, and lost again");
  assert.not.ok(new DraftBackoff({ ...lost, pause: 0 }).isPaused);
  assert.is(cooldownOf(new DraftBackoff({ ...lost, pause: 1e9 }), 10), 512, "from a file that makes no sense");
});

test("DraftBackoff tells that a pause is as fast as the verify lane alone, whatever that takes", () => {
  const backoff = new DraftBackoff({ expected: 1.2, achieved: 0.9, tokens: 150, pause: 100, cooldown: 256, tries: 1 });
  feed(backoff, repeat(1, { tokens: 1, ms: 12 }));
  backoff.begin();
  for (let i = 0; i < 50; i++) {
    backoff.observe(one(i, 12 * i, 1.2));
  }
  assert.equal(backoff.gain, { expected: 1, achieved: 1 });
});

test("DraftBackoff tells no gain of a run of which nothing is known", () => {
  const backoff = new DraftBackoff();
  assert.is(backoff.gain, null);
  backoff.observe(one(5, 100));
  assert.is(backoff.gain, null);
});

test.run();
