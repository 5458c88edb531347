import { test } from "uvu";
import * as assert from "uvu/assert";
import { expectAnswer, installPollShim, pollFor } from "../../src/gpu/poll-shim.ts";

type Callback = (...args: unknown[]) => void;

/** The shim over a `setImmediate` that only keeps its callbacks, and over naps that only note their time. */
interface Fixture {
  readonly naps: number[];
  /** How many callbacks wait. */
  readonly waiting: () => number;
  /** Runs the callback that has waited longest. */
  readonly runNext: () => void;
}

function withShim(body: (fixture: Fixture) => void): void {
  const host = globalThis as unknown as { setImmediate: unknown };
  const before = host.setImmediate;
  const realWait = Atomics.wait;
  const queue: [Callback, unknown[]][] = [];
  const naps: number[] = [];
  const fake = (callback: Callback, ...args: unknown[]) => queue.push([callback, args]);
  host.setImmediate = fake;
  const remove = installPollShim();
  Atomics.wait = (_array: unknown, _index: unknown, _value: unknown, ms?: number) => {
    naps.push(ms!);
    return "timed-out";
  };
  try {
    const runNext = () => {
      const [callback, args] = queue.shift()!;
      callback(...args);
    };
    body({ naps, waiting: () => queue.length, runNext });
  } finally {
    Atomics.wait = realWait;
    remove();
    assert.is(host.setImmediate, fake, "the shim takes itself away");
    host.setImmediate = before;
  }
}

/** Asks for itself again `times` times. A bound function is native to toString(), as Dawn's poll is. */
function poll(times: number): () => void {
  const again = (left: number) => {
    if (left > 0) globalThis.setImmediate(again.bind(null, left - 1));
  };
  return again.bind(null, times);
}

test("a native function that asks for itself again naps before its next run", () =>
  withShim(({ naps, waiting, runNext }) => {
    globalThis.setImmediate(poll(1));
    runNext();
    assert.equal([waiting(), naps.length], [1, 0], "the first poll is at once");
    runNext();
    assert.equal([waiting(), naps.length], [0, 1]);
  }));

test("other callbacks are as fast as without the shim", () =>
  withShim(({ naps, waiting, runNext }) => {
    const loop = () => void globalThis.setImmediate(loop);
    globalThis.setImmediate(loop);
    for (let i = 0; i < 4; i++) runNext();
    globalThis.setImmediate(poll(0));
    globalThis.setImmediate(poll(0));
    assert.equal([waiting(), naps], [3, []], "a loop in JavaScript, and native functions from outside a poll");
  }));

test("as long as no answer is due there are naps, and hardly a poll", () =>
  withShim(({ naps, waiting, runNext }) => {
    const [one, two] = [{}, {}];
    const realNow = performance.now;
    let nowMs = realNow.call(performance);
    performance.now = () => nowMs;
    /** Runs 100 callbacks, one each millisecond. Tells the polls among them, and the naps. */
    const run100 = (oneDueMs?: number, twoDueMs?: number) => {
      expectAnswer(one, oneDueMs);
      expectAnswer(two, twoDueMs);
      naps.length = 0;
      let polls = 0;
      let asks = true;
      const again = () => {
        polls++;
        if (asks) globalThis.setImmediate(again.bind(null));
      };
      globalThis.setImmediate(again.bind(null));
      for (let i = 0; i < 100; i++, nowMs++) runNext();
      const result = { polls, naps: [...naps] };
      asks = false;
      expectAnswer(one, 0);
      while (waiting() > 0) runNext();
      return result;
    };
    try {
      const due = run100();
      assert.is(due.polls, 100);
      assert.ok(
        due.naps.length === 49 || due.naps.length === 50,
        "of two polls for an answer that is due one is at once",
      );
      const far = run100(nowMs + 60_000, nowMs + 60_000);
      assert.ok(far.polls > 10 && far.polls < 30, `${far.polls} polls, for answers that nobody told of`);
      assert.ok(Math.min(...far.naps) > due.naps[0]!);
      assert.is(run100(nowMs + 60_000, 0).polls, 100, "one of two answers is due");
      assert.ok(run100(nowMs + 60_000).polls < 30, "the queue whose answer was due waits for none now");
      const { polls } = run100(nowMs + 50, nowMs + 60_000);
      assert.ok(polls > 50 && polls < 75, `${polls} polls: one answer is due after half of the time`);
    } finally {
      performance.now = realNow;
      expectAnswer(one, undefined);
      expectAnswer(two, undefined);
    }
  }));

// The last test: nothing takes the time back for which Dawn may poll.
test("after a submission polls follow at once", () =>
  withShim(({ naps, waiting, runNext }) => {
    pollFor(60_000);
    globalThis.setImmediate(poll(4));
    while (waiting() > 0) runNext();
    assert.equal(naps, []);
  }));

test.run();
