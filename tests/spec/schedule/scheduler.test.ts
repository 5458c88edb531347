import { test } from "uvu";
import * as assert from "uvu/assert";
import { VirtualClock } from "../../../src/spec/clock.ts";
import { Estimates } from "../../../src/spec/schedule/estimates.ts";
import { launchAtOnce } from "../../../src/spec/schedule/launch-rule.ts";
import { Scheduler } from "../../../src/spec/schedule/scheduler.ts";
import type { Operation, TraceEvent } from "../../../src/spec/trace/trace-events.ts";
import { Trace } from "../../../src/spec/trace/trace.ts";

const VERIFY = { name: "verify", cached: 0 };
const DRAFT = { name: "draft", cached: 0 };

const operation = (fields: Partial<Operation>): Operation => ({
  kind: "operation",
  lane: "draft",
  operation: "decode",
  epoch: 0,
  position: 0,
  tokens: [1],
  chosen: [2],
  startMs: 10,
  endMs: 16,
  stale: false,
  ...fields,
});

function scheduled() {
  const told: TraceEvent[] = [];
  const heard: unknown[] = [];
  const estimates = new Estimates();
  const trace = new Trace(new VirtualClock(), true, (event) => told.push(event));
  const rule = {
    ...launchAtOnce,
    begin: () => heard.push("begin"),
    observe: (heardOf: Operation) => heard.push(heardOf),
  };
  return { told, heard, estimates, scheduler: new Scheduler(estimates, rule, trace) };
}

test("Scheduler begins a run: a new text for the predictor, the known costs for the trace, if the run drafts", () => {
  for (const drafts of [true, false]) {
    const { told, heard, estimates: { costs, predictor }, scheduler } = scheduled();
    costs.observeDraft(3, true);
    for (let i = 0; i < 200; i++) predictor.observe(0.5, 1, true);
    scheduler.start(4, drafts ? [VERIFY, DRAFT] : [VERIFY]);
    assert.equal(heard, ["begin"]);
    assert.equal(told.map((event) => event.kind === "start" && event.promptTokens), [4]);
    assert.equal(told.map((event) => event.kind === "start" && event.costs?.otherBusy.draftMs), [
      drafts ? 3 : undefined,
    ]);
    for (let i = 0; i < 10; i++) predictor.observe(0.5, 1, false);
    assert.is(predictor.mean < 0.6, drafts, `${predictor.mean} after ten misses`);
  }
});

test("Scheduler learns from an operation of either lane, tells the rule, and lets the trace go on", () => {
  const { told, heard, estimates: { costs, predictor }, scheduler } = scheduled();
  scheduler.start(1, [VERIFY, DRAFT]);
  heard.length = told.length = 0;
  const step = operation({ chosen: [2, 3, 4] });
  const caughtUp = operation({ operation: "verify", tokens: [1, 2] });
  const verified = [1, 2].map((rows) => operation({ lane: "verify", tokens: Array(rows).fill(1), accepted: 0 }));
  for (const event of [step, caughtUp, ...verified]) scheduler.trace.operation(event);
  assert.equal(told, [], "something may still become of the first one");

  scheduler.observe(step, { otherBusy: 0.6, turnaroundMs: 1 });
  assert.equal([told, heard], [[step], [step]]);
  assert.equal([costs.figures.otherBusy.draftMs, costs.turnaroundMs("draft"), costs.turnaroundMs("verify")], [2, 1, 0]);
  scheduler.observe(caughtUp, { otherBusy: 0.4, turnaroundMs: undefined });
  assert.is(costs.figures.otherIdle.draftMs, null, "catching up is no step");

  const judged = { confidence: 0.5, place: 1, runnerUpIsRight: true };
  const { mean, runnerUpChance } = predictor;
  scheduler.observe(verified[0]!, { otherBusy: 0, turnaroundMs: 4, judged: [{ ...judged, isRight: true }] });
  assert.ok(predictor.mean > mean && predictor.runnerUpChance === runnerUpChance);
  const { mean: higher } = predictor;
  scheduler.observe(verified[1]!, { otherBusy: 1, turnaroundMs: undefined, judged: [{ ...judged, isRight: false }] });
  assert.ok(predictor.mean < higher && predictor.runnerUpChance > runnerUpChance);
  assert.equal([costs.turnaroundMs("verify"), costs.turnaroundMs("draft")], [4, 1]);
  const { otherIdle, otherBusy } = costs.figures;
  assert.equal([otherIdle.verifyMs, otherBusy.verifyMs], [{ 1: 6 }, { 2: 6 }]);
  const beside = operation({ lane: "verify", tokens: [1, 2, 3], accepted: 0 });
  scheduler.trace.operation(beside);
  scheduler.observe(beside, { otherBusy: undefined, turnaroundMs: undefined });
  assert.equal(costs.figures, { otherIdle, otherBusy }, "beside a lane that catches up nothing tells what drafts cost");
  told.pop();
  assert.equal(told, [step, caughtUp, ...verified]);
});

test.run();
