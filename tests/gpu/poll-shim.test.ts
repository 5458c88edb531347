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
    assert.equal([waiting(), naps.length], [1, 0], "the first poll is at once");
    runNext();
    assert.equal([waiting(), naps.length], [1, 1]);
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

test("naps are longer as long as no answer is due", () =>
  withShim(({ naps, waiting, runNext }) => {
    const [one, two] = [{}, {}];
    const napsOf4Polls = (oneDueMs?: number, twoDueMs?: number) => {
      expectAnswer(one, oneDueMs);
      expectAnswer(two, twoDueMs);
      naps.length = 0;
      globalThis.setImmediate(poll(4));
      while (waiting() > 0) runNext();
      return [...naps];
    };
    const laterMs = performance.now() + 60_000;
    const due = napsOf4Polls();
    assert.is(due.length, 2, "of two polls for an answer that is due one is at once");
    const long = napsOf4Polls(laterMs, laterMs);
    assert.is(long.length, 4);
    assert.ok(Math.min(...long) > Math.max(...due));
    assert.equal(napsOf4Polls(laterMs, 0), due, "one of two answers is due");
    assert.equal(napsOf4Polls(laterMs), long, "the queue whose answer was due waits for none now");
    expectAnswer(one, undefined);
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
