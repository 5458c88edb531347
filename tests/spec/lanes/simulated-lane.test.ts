import { test } from "uvu";
import * as assert from "uvu/assert";
import { RealClock, VirtualClock } from "../../../src/spec/clock.ts";
import { LaneLostError } from "../../../src/spec/lanes/lane.ts";
import { SimulatedLane, type SimulatedLaneOptions } from "../../../src/spec/lanes/simulated-lane.ts";
import { laneContract } from "./lane-contract.ts";
import { hashModel, laneOptions } from "../simulated-run.ts";

const next = hashModel(1, 1000);
const tokens = Array.from({ length: 24 }, (_, i) => next([i]));

const contract = (title: string, options: Partial<SimulatedLaneOptions>) =>
  laneContract(title, {
    tokens,
    withLane: (body) => {
      const clock = new VirtualClock();
      return clock.run(() => body(new SimulatedLane(clock, laneOptions("verify", next, options))));
    },
  });
contract("simulated", {});
contract("simulated, with branch slots", { branchCapacity: 8 });
contract("simulated, with latency and jitter", {
  stepsAhead: 2,
  branchCapacity: 6,
  latencyMs: 7,
  jitter: (() => {
    let i = 0;
    return () => [0, 3, 0.5][i++ % 3]!;
  })(),
});
laneContract("simulated, in real time", {
  tokens,
  withLane: (body) =>
    body(
      new SimulatedLane(
        new RealClock(),
        laneOptions("verify", next, { prefillMs: 0, decodeMs: 0, verifyMs: () => 0 }),
      ),
    ),
});

const virtual = (
  options: Partial<SimulatedLaneOptions>,
  body: (lane: SimulatedLane, clock: VirtualClock) => Promise<void>,
) => {
  const clock = new VirtualClock();
  return clock.run(() => body(new SimulatedLane(clock, laneOptions("verify", next, options)), clock));
};

test("chooses what the model chooses after the text that it was fed", () =>
  virtual({}, async (lane) => {
    await lane.prefill([1, 2], 0);
    assert.equal((await lane.verify([3, 4], 2)).tokens, [next([1, 2, 3]), next([1, 2, 3, 4])]);
    const a = next([1, 2, 9]);
    assert.equal((await lane.decode(9, 2, 2)).tokens, [a, next([1, 2, 9, a])]);
    assert.equal((await lane.verify([5], 0)).tokens, [next([5])]);
  }));

test("works in its own time, one message after the other", () =>
  virtual({ prefillMs: 2, decodeMs: 3, verifyMs: (rows) => 5 + rows, latencyMs: 4 }, async (lane, clock) => {
    const settledMs: number[] = [];
    const results = await Promise.all(
      [lane.prefill([1, 2, 3], 0), lane.decode(1, 3, 2), lane.verify([1, 2], 3)].map((message) =>
        message.then((result) => {
          settledMs.push(clock.now());
          return result;
        })
      ),
    );
    assert.equal(results.map(({ startMs, endMs }) => [startMs, endMs]), [[0, 6], [6, 12], [12, 19]]);
    assert.equal(settledMs, [10, 16, 23]);
  }));

test("jitter is a factor on each operation", () =>
  virtual({ decodeMs: 10, jitter: () => 1.5 }, async (lane) => {
    assert.is((await lane.decode(1, 0, 2)).endMs, 30);
  }));

test("a decode without a token wants a choice before it", () =>
  virtual({}, async (lane) => {
    for (const prefill of [false, true]) {
      if (prefill) await lane.prefill([1], 0);
      try {
        await lane.decode(null, 0, 1);
        assert.unreachable();
      } catch (error) {
        assert.instance(error, RangeError);
        assert.is(
          (error as Error).message,
          "Cannot decode on the verify lane without a token: the message before it chose none",
        );
      }
    }
    await lane.decode(1, 0, 1);
    await lane.decode(null, 1, 1);
  }));

test("a lost device rejects what is pending and what comes later, each in its order", () =>
  virtual({ decodeMs: 10, latencyMs: 5, failAtMs: 25 }, async (lane, clock) => {
    const seen: string[] = [];
    const note = (name: string, message: Promise<unknown>) =>
      message.then(
        () => seen.push(`${name} ${clock.now()}`),
        (error: unknown) => seen.push(`${name} ${clock.now()} ${error instanceof LaneLostError && error.lane}`),
      );
    note("a", lane.decode(1, 0, 1));
    note("b", lane.decode(null, 1, 1));
    note("c", lane.decode(null, 2, 1));
    note("d", lane.decode(null, 3, 1));
    await lane.drain();
    await note("e", lane.decode(1, 0, 1));
    assert.equal(seen, ["a 15", "b 25", "c 30 verify", "d 30 verify", "e 35 verify"]);
    await lane.close();
  }));

test.run();
