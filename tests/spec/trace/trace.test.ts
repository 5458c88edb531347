import { test } from "uvu";
import * as assert from "uvu/assert";
import { chromeTrace } from "../../../src/spec/trace/chrome-trace.ts";
import { VirtualClock } from "../../../src/spec/clock.ts";
import { cachedLength, Trace } from "../../../src/spec/trace/trace.ts";
import type { Operation, TraceEvent } from "../../../src/spec/trace/trace-events.ts";

const start: TraceEvent = {
  kind: "start",
  ms: 100,
  promptTokens: 3,
  lanes: [{ name: "verify", cached: 0 }, { name: "draft", cached: 2 }],
};
const operation = (options: Partial<Operation>): Operation => ({
  kind: "operation",
  lane: "verify",
  operation: "decode",
  epoch: 0,
  position: 0,
  tokens: [],
  chosen: [],
  startMs: 0,
  endMs: 0,
  stale: false,
  ...options,
});

test("Trace stamps its events and counts the rollbacks", async () => {
  const clock = new VirtualClock();
  const trace = new Trace(clock);
  await clock.run(async () => {
    trace.start(3, [{ name: "verify", cached: 0 }]);
    await clock.sleep(2);
    trace.commit([{ token: 7, position: 3, origin: "verify" }]);
    assert.is(trace.epoch, 0);
    await clock.sleep(3);
    trace.rollback(4);
    assert.is(trace.epoch, 1);
  });
  assert.equal(trace.events, [
    { kind: "start", ms: 0, promptTokens: 3, lanes: [{ name: "verify", cached: 0 }] },
    { kind: "commit", ms: 2, tokens: [{ token: 7, position: 3, origin: "verify" }] },
    { kind: "rollback", ms: 5, position: 4 },
  ]);
});

test("cachedLength() follows what a lane was fed along a text, and leaves out its last token", () => {
  const text = [1, 2, 3, 4, 5, 6];
  const fed = (...operations: [position: number, tokens: number[]][]) =>
    cachedLength(
      [start, ...operations.map(([position, tokens]) => operation({ lane: "draft", position, tokens }))],
      "draft",
      text,
    );
  assert.is(fed(), 2, "what the cache held before");
  assert.is(fed([2, [3, 4]]), 4);
  assert.is(fed([2, [3, 4, 5]]), 5);
  assert.is(fed([2, [3, 4, 5, 6, 7]]), 5, "never the last");
  assert.is(fed([2, [3, 9, 5]]), 3, "up to a wrong token");
  assert.is(fed([2, [3, 9]], [4, [5]]), 3, "what is fed behind a wrong token doesn't count");
  assert.is(fed([2, [3, 9]], [3, [4, 5]]), 5, "fed anew after a rollback");
  assert.is(fed([0, [1]]), 1, "fed below what it held");
  assert.is(fed([0, [8]]), 0);
  assert.is(cachedLength([start, operation({ position: 0, tokens: text })], "draft", text), 2, "another lane's");
});

const events: TraceEvent[] = [
  start,
  operation({ operation: "prefill", tokens: [1, 2], startMs: 101, endMs: 103 }),
  operation({ lane: "draft", position: 2, tokens: [3], chosen: [4], startMs: 101, endMs: 102 }),
  operation({
    operation: "verify",
    position: 2,
    tokens: [3, 4],
    chosen: [9, 0],
    accepted: 0,
    startMs: 103,
    endMs: 104.5,
  }),
  { kind: "commit", ms: 105, tokens: [{ token: 9, position: 3, origin: "correction" }] },
  { kind: "rollback", ms: 105, position: 3 },
  operation({ lane: "draft", epoch: 0, position: 3, tokens: [4], chosen: [5], startMs: 102, endMs: 106, stale: true }),
  operation({ lane: "draft", epoch: 1, position: 3, tokens: [9], chosen: [6], startMs: 106, endMs: 108 }),
];

test("chromeTrace() gives each lane a track, in microseconds from the run's start", () => {
  const { traceEvents } = chromeTrace(events);
  assert.equal(
    traceEvents.filter(({ ph }) => ph === "M").map(({ name, tid, args }) => [name, tid, args]),
    [["thread_name", 0, { name: "host" }], ["thread_name", 1, { name: "verify" }], ["thread_name", 2, {
      name: "draft",
    }]],
  );
  assert.equal(
    traceEvents.filter(({ ph }) => ph === "X").map(({ name, tid, ts, dur }) => [name, tid, ts, dur]),
    [
      ["prefill", 1, 1000, 2000],
      ["decode", 2, 1000, 1000],
      ["verify", 1, 3000, 1500],
      ["decode", 2, 2000, 4000],
      ["decode", 2, 6000, 2000],
    ],
  );
  const verification = traceEvents.find(({ name }) => name === "verify");
  assert.equal(verification?.args, {
    epoch: 0,
    position: 2,
    tokens: [3, 4],
    chosen: [9, 0],
    accepted: 0,
    stale: false,
  });
  assert.equal(traceEvents.filter(({ ph }) => ph === "i").map(({ name, tid, ts }) => [name, tid, ts]), [
    ["commit", 0, 5000],
  ]);
  assert.ok(traceEvents.every(({ pid }) => pid === 1));
});

test("chromeTrace() draws an arrow from a rejection to the restart", () => {
  assert.equal(
    chromeTrace(events).traceEvents.filter(({ ph }) => ph === "s" || ph === "f").map(({ ph, id, tid, ts, bp }) => (
      { ph, id, tid, ts, bp }
    )),
    [{ ph: "s", id: 1, tid: 1, ts: 4500, bp: undefined }, { ph: "f", id: 1, tid: 2, ts: 6000, bp: "e" }],
  );
});

test("chromeTrace() is plain JSON, and takes an empty trace", () => {
  assert.equal(JSON.parse(JSON.stringify(chromeTrace(events))).traceEvents.length, 11);
  assert.equal(chromeTrace([]).traceEvents.map(({ name }) => name), ["thread_name"]);
});

test.run();
