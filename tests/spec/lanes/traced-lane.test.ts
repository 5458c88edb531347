import { test } from "uvu";
import * as assert from "uvu/assert";
import { VirtualClock } from "../../../src/spec/clock.ts";
import { LaneLostError } from "../../../src/spec/lanes/lane.ts";
import { SimulatedLane, type SimulatedLaneOptions } from "../../../src/spec/lanes/simulated-lane.ts";
import { drain, TracedLane } from "../../../src/spec/lanes/traced-lane.ts";
import type { TraceEvent } from "../../../src/spec/trace/trace-events.ts";
import { Trace } from "../../../src/spec/trace/trace.ts";
import { hashModel, laneOptions, plainLoop } from "../simulated-run.ts";
import { WatchedLane } from "./watched-lane.ts";

const next = hashModel(4, 1000);

interface Traced {
  readonly clock: VirtualClock;
  readonly trace: Trace;
  readonly told: readonly TraceEvent[];
  readonly lane: TracedLane;
  readonly lost: readonly string[];
}

/** A lane whose decode steps take 2 ms, verifications 10. */
function traced(
  options: Partial<SimulatedLaneOptions>,
  body: (traced: Traced) => Promise<void>,
  { breakAt, mayBeLost = false }: { readonly breakAt?: number; readonly mayBeLost?: boolean } = {},
): Promise<void> {
  const clock = new VirtualClock();
  const told: TraceEvent[] = [];
  const trace = new Trace(clock, true, (event) => void told.push(event));
  trace.start(0, [{ name: "draft", cached: 0 }]);
  const simulated = new SimulatedLane(clock, laneOptions("draft", next, { verifyMs: () => 10, ...options }));
  const lost: string[] = [];
  const onLost = mayBeLost ? (error: Error) => void lost.push(error.message) : undefined;
  const lane = new TracedLane(new WatchedLane(simulated, breakAt), trace, onLost);
  return clock.run(() => body({ clock, trace, told, lane, lost }));
}

test("TracedLane writes down the tokens that a message was fed, also those that only the device knew", () =>
  traced({ branchCapacity: 4 }, async ({ trace, lane }) => {
    const text = plainLoop(next, [1, 2, 3], 12);
    lane.prefill([1, 2], 0);
    // One draft is right, one is wrong; then the correction and what the device makes of it.
    lane.verify([3, text[0]!, text[1]! + 1], 2);
    lane.verifyNext([7], 5);
    lane.decode(text[0]!, 3, 2);
    lane.decode(null, 5, 1);
    lane.decode(8, 6, 2, 6);
    lane.keep(6, 2, () => [8, 9]);
    await drain(trace, lane);
    const operations = trace.events.filter((event) => event.kind === "operation");
    assert.equal(
      operations.map(({ operation, position, tokens, fork }) => [operation, position, tokens, fork]),
      [
        ["prefill", 0, [1, 2], undefined],
        ["verify", 2, [3, text[0], text[1]! + 1], undefined],
        ["verify", 4, [text[1], 7], undefined],
        ["decode", 3, [text[0], text[1]], undefined],
        ["decode", 5, [text[2]], undefined],
        ["decode", 6, [8, next([1, 2, 3, ...text.slice(0, 3), 8])], 6],
        ["keep", 6, [8, 9], undefined],
      ],
    );
    assert.equal(operations.map(({ stale }) => stale), [false, true, true, true, true, true, true]);
  }));

test("TracedLane tells for what share of a time its device was busy, a message in flight included", () =>
  traced({ latencyMs: 1 }, async ({ clock, lane }) => {
    assert.is(lane.busyShare(0, 10), 0);
    await lane.decode(1, 0, 2); // Until 4 ms, known at 5.
    await clock.sleep(5);
    const step = lane.decode(2, 2, 1); // From 10 to 12 ms.
    await clock.sleep(1.5);
    assert.is(lane.busyShare(0, 10), 0.4);
    assert.is(lane.busyShare(2, 12), (2 + 2) / 10, "in flight: from 10 ms on");
    await step;
    await clock.sleep(10);
    assert.is(lane.busyShare(3, 23), (1 + 2) / 20, "it ended at 12 ms");
    assert.is(lane.busyShare(5, 5), 0);
  }));

test("TracedLane tells no share of a time in which its device was fed a text", () =>
  traced({}, async ({ clock, lane }) => {
    const fed = lane.prefill([1, 2], 0);
    await clock.sleep(1);
    assert.is(lane.busyShare(0, 1), undefined, "in flight");
    await fed;
    const { startMs, endMs } = await lane.decode(3, 2, 1);
    assert.is(lane.busyShare(startMs - 0.5, endMs), undefined);
    assert.is(lane.busyShare(startMs, endMs), 1);
  }));

test("TracedLane tells what a message takes beyond the device, if the lane was idle", () =>
  traced({ latencyMs: 3 }, async ({ lane }) => {
    assert.is(lane.turnaroundMs, undefined);
    await lane.decode(1, 0, 1);
    assert.is(lane.turnaroundMs, 3);
    const first = lane.decode(1, 1, 1);
    const second = lane.decode(1, 2, 1);
    await first;
    assert.is(lane.turnaroundMs, 3);
    await second;
    assert.is(lane.turnaroundMs, undefined, "it waited in the queue");
  }));

test("drain() ends the trace, and throws an error that nobody awaited", () =>
  traced({}, async ({ trace, told, lane }) => {
    lane.decode(1, 0, 1);
    lane.decode(1, 1, 1);
    try {
      await drain(trace, lane);
      assert.unreachable();
    } catch (error) {
      assert.is((error as Error).message, "broken draft");
    }
    assert.equal(trace.events.map(({ kind }) => kind), ["start", "operation"], "the first message is in the trace");
    assert.equal(told, trace.events, "and told, since nothing more becomes of it");
  }, { breakAt: 1 }));

test("a lost device is told once, and is no error to drain()", () =>
  traced({ failAtMs: 3 }, async ({ trace, lane, lost }) => {
    const messages = [lane.decode(1, 0, 1), lane.decode(1, 1, 1), lane.decode(1, 2, 1)];
    const outcomes = messages.map((message) => message.then(() => "done", (error) => error instanceof LaneLostError));
    await drain(trace, lane);
    assert.equal(await Promise.all(outcomes), ["done", true, true]);
    assert.equal(lost, ["The draft device was lost: simulated at 3 ms"]);
    assert.ok(lane.lost);
  }, { mayBeLost: true }));

test.run();
