import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { summarize } from "../../../src/spec/trace/summary.ts";
import type { Operation, TraceEvent } from "../../../src/spec/trace/trace-events.ts";

const lanes = [{ name: "verify", cached: 0 }, { name: "draft", cached: 0 }];
const start = (ms: number): TraceEvent => ({ kind: "start", ms, promptTokens: 5, lanes });
const operation = (lane: string, startMs: number, endMs: number, options: Partial<Operation> = {}): Operation => ({
  kind: "operation",
  lane,
  operation: "decode",
  epoch: 0,
  position: 0,
  tokens: [],
  chosen: [],
  startMs,
  endMs,
  stale: false,
  ...options,
});
const commit = (ms: number, count: number): TraceEvent => ({
  kind: "commit",
  ms,
  tokens: Array.from({ length: count }, (_, i) => ({ token: i, position: i, origin: "accepted" })),
});

test("summarize() adds a run up", () => {
  const summary = summarize([
    start(10),
    operation("verify", 10, 20, { operation: "prefill", tokens: [1, 2] }),
    operation("draft", 10, 14, { operation: "prefill", tokens: [1, 2] }),
    operation("draft", 14, 17, { tokens: [3], chosen: [4] }),
    operation("verify", 20, 25, { tokens: [3], chosen: [4], accepted: 0 }),
    commit(26, 1),
    operation("draft", 17, 19, { operation: "verify", tokens: [7, 8, 9], chosen: [1, 1, 5] }),
    operation("draft", 19, 22, { tokens: [5, 6], chosen: [6, 7] }),
    operation("verify", 25, 31, { operation: "verify", tokens: [4, 5, 6, 7], chosen: [5, 6, 0, 0], accepted: 2 }),
    commit(32, 3),
    operation("draft", 30, 36, { tokens: [7], chosen: [8], stale: true }),
    operation("verify", 32, 34, { operation: "verify", tokens: [0, 1], chosen: [0, 0], stale: true }),
  ]);
  assert.equal(summary, {
    promptTokens: 5,
    tokens: 4,
    ttftMs: 16,
    msPerToken: 2,
    drafted: 5,
    accepted: 2,
    wastedDrafts: 3,
    verifications: 2,
    tokensPerVerification: 2,
    acceptance: 2 / 3,
    lanes: [{ name: "verify", busyMs: 23, idleMs: 3 }, { name: "draft", busyMs: 18, idleMs: 8 }],
    overlapMs: 12 + 1 + 2,
  });
});

test("summarize() has null where there is nothing to divide by", () => {
  const nothing = summarize([start(10)]);
  assert.is(nothing.ttftMs, null);
  assert.is(nothing.msPerToken, null);
  assert.is(nothing.tokensPerVerification, null);
  assert.is(nothing.acceptance, null);
  assert.equal(nothing.lanes.map(({ busyMs, idleMs }) => [busyMs, idleMs]), [[0, 0], [0, 0]]);
  const one = summarize([start(10), operation("verify", 10, 15, { tokens: [1], accepted: 0 }), commit(16, 1)]);
  assert.is(one.ttftMs, 6);
  assert.is(one.msPerToken, null);
  assert.is(one.tokensPerVerification, 1);
  assert.is(one.acceptance, null);
  assert.throws(() => summarize([]), (error: Error) => error instanceof RangeError && /no start/.test(error.message));
});

test("busy, idle and overlap agree with counting millisecond by millisecond", () => {
  const interval = fc.tuple(fc.constantFrom("verify", "draft"), fc.nat(40), fc.nat(6));
  fc.assert(
    fc.property(fc.array(interval, { maxLength: 20 }), fc.constantFrom(0, 1), (intervals, shuffle) => {
      const summary = summarize([
        start(0),
        // A lane's in their order, the other lane's somewhere between.
        ...["verify", "draft"].flatMap((name) =>
          intervals.filter(([lane]) => lane === name).toSorted((a, b) => a[1] - b[1])
            .map(([lane, startMs, ms], i) => ({
              at: i + shuffle * startMs,
              event: operation(lane, startMs, startMs + ms),
            }))
        ).toSorted((a, b) => a.at - b.at).map(({ event }) => event),
      ]);
      const isBusy = (name: string, ms: number) =>
        intervals.some(([lane, startMs, length]) => lane === name && startMs <= ms && ms < startMs + length);
      const count = (holds: (ms: number) => boolean) => Array.from({ length: 50 }, (_, ms) => ms).filter(holds).length;
      const endMs = Math.max(0, ...intervals.map(([, startMs, ms]) => startMs + ms));
      for (const { name, busyMs, idleMs } of summary.lanes) {
        assert.is(busyMs, count((ms) => isBusy(name, ms)));
        assert.is(idleMs, endMs - busyMs);
      }
      assert.is(summary.overlapMs, count((ms) => isBusy("verify", ms) && isBusy("draft", ms)));
    }),
    { numRuns: 500 },
  );
});

test.run();
