import { test } from "uvu";
import * as assert from "uvu/assert";
import { Costs } from "../../../src/spec/schedule/costs.ts";

test("Costs are lower quartiles of the last times: what makes operations slower for a while moves nothing", () => {
  const costs = new Costs();
  assert.is(costs.draftMs(), undefined);
  for (const ms of [3, 3, 900, 3, 3]) costs.observeDraft(ms, true);
  for (const ms of [4, 5, 4, 4, 5]) costs.observeDraft(ms, true);
  assert.is(costs.draftMs(), 3);
  for (let i = 0; i < 20; i++) costs.observeDraft(5, true);
  assert.is(costs.draftMs(), 5, "the last ones count");
});

test("Costs tell a verification's typical time from its mean, beside a busy draft lane and an idle one", () => {
  const costs = new Costs();
  costs.observeVerify(2, 15, 0);
  for (const ms of [10, 10, 10]) costs.observeVerify(1, ms, 0);
  assert.equal([costs.aloneMs, costs.excessContention], [10, 1]);
  for (let i = 0; i < 400; i++) costs.observeVerify(1, i % 2 ? 10 : 12, 0);
  assert.is(costs.verifyMs(1, false), 10);
  assert.ok(Math.abs(costs.aloneMs! - 11) < 0.1, `${costs.aloneMs} ms`);
  assert.is(costs.excessContention, 1, "of verifications beside a busy one nothing is known");
  for (let i = 0; i < 400; i++) costs.observeVerify(1, i % 2 ? 20 : 32, 1);
  assert.ok(
    Math.abs(costs.excessContention - 1.3 / 1.1) < 0.02,
    `${costs.excessContention}: a slowdown of all is no part of it`,
  );
});

test("Costs tell what a draft lane that works for a part of a verification takes from it from a slow machine", () => {
  const costs = new Costs();
  for (let i = 0; i < 3; i++) {
    for (const [rows, ms] of [[1, 10], [2, 12]] as const) {
      costs.observeVerify(rows, ms, 0);
      costs.observeVerify(rows, 1.5 * ms, 1);
    }
  }
  const known = () =>
    [costs.verifyMs(1, false), costs.verifyMs(1, true), costs.verifyMs(2, true)].map((ms) => Math.round(ms!));
  for (let i = 0; i < 100; i++) costs.observeVerify(1, 10 * (1 + 0.5 * 0.4), 0.4);
  assert.equal(known(), [10, 15, 18], "two fifths of the time");
  for (let i = 0; i < 100; i++) costs.observeVerify(1, 10 * (1 + 0.5 * 0.8), 0.8);
  assert.equal(known(), [10, 15, 18], "four fifths");
});

test("Costs are kept apart for the other lane busy and idle, and one stands in for the other", () => {
  const costs = new Costs();
  costs.observeDraft(3, false);
  assert.equal([costs.draftMs(true), costs.draftMs(false)], [3, 3]);
  costs.observeDraft(4, true);
  assert.equal([costs.draftMs(true), costs.draftMs(false)], [4, 3]);

  costs.observeVerify(1, 10, 0);
  assert.is(costs.verifyMs(1), undefined, "of one size nothing follows for others");
  costs.observeVerify(5, 18, 0);
  costs.observeVerify(9, 50, 0);
  assert.equal(
    [1, 3, 5, 7, 11].map((rows) => costs.verifyMs(rows, false)),
    [10, 14, 18, 34, 66],
    "between its neighbours",
  );
  assert.is(costs.verifyMs(3, true), 14);
  costs.observeVerify(5, 27, 1);
  assert.equal(
    [1, 3, 9].map((rows) => costs.verifyMs(rows, true)),
    [15, 21, 75],
    "with the contention of the size that is known in both",
  );
  costs.observeVerify(1, 40, 1);
  assert.is(costs.verifyMs(1, true), 15, "seen but once: the rest says that it was an outlier");
  for (let i = 0; i < 2; i++) costs.observeVerify(1, 40, 1);
  assert.is(costs.verifyMs(1, true), 40, "so it is");
  assert.is(costs.verifyMs(1, false), 10);
});

test("Costs take a lane alone for no slower than beside a busy one", () => {
  const costs = new Costs();
  for (const ms of [30, 30, 30, 30]) costs.observeVerify(1, ms, 0);
  for (const ms of [50, 50, 50]) costs.observeVerify(2, ms, 0);
  for (let i = 0; i < 60; i++) costs.observeVerify(1, i % 2 ? 30 : 40, 0);
  assert.ok(costs.aloneMs! > 33, `${costs.aloneMs} ms`);
  // The machine is faster now, which was seen with both at work only.
  for (let i = 0; i < 64; i++) costs.observeVerify(1, 20, 1);
  assert.equal([costs.verifyMs(1, false), costs.aloneMs, costs.excessContention], [20, 20, 1]);
  assert.is(costs.verifyMs(2, false), 50);
});

test("Costs stay numbers where a coarse clock says that verifications take no time", () => {
  const costs = new Costs();
  for (const rows of [1, 2]) for (const ms of [1, 1, 1, 1]) costs.observeVerify(rows, ms, 1);
  for (let i = 0; i < 9; i++) costs.observeVerify(1, 0, 1);
  assert.equal([1, 2, 3].map((rows) => costs.verifyMs(rows)), [0, 1, 2]);
});

test("Costs of sizes that were measured while the machine was slow and while it was not can be compared", () => {
  const costs = new Costs();
  const observe = (times: number, slowdown: number, sizes: readonly (readonly [number, number])[]) => {
    for (let i = 0; i < times; i++) for (const [rows, ms] of sizes) costs.observeVerify(rows, ms * slowdown, 1);
  };
  const figures = () => [1, 2, 4].map((rows) => Math.round(costs.verifyMs(rows)! * 10) / 10);
  observe(9, 1, [[1, 10], [2, 13], [4, 20]]);
  observe(20, 1.05, [[1, 10]]);
  assert.equal(figures(), [10, 13, 20], "a while is not for good");
  observe(40, 1.05, [[1, 10]]);
  assert.equal(figures(), [10.5, 13, 20], "that is noise");
  observe(60, 1, [[1, 10]]);
  observe(8, 1.5, [[1, 10]]);
  assert.equal(figures(), [15, 19.5, 30], "two and four rows were not seen since");
  observe(60, 1.5, [[1, 10], [2, 13]]);
  assert.equal(figures(), [15, 19.5, 30]);
  // One row may not seem dearer than two only because it was last seen when the machine was slow.
  observe(3, 1, [[2, 13]]);
  assert.equal(figures(), [10, 13, 20]);
  assert.is(Math.round(costs.figures.otherBusy.verifyMs[4]!), 20);

  const begun = new Costs();
  for (const [rows, ms] of [[2, 13], [1, 15], [1, 10]] as const) begun.observeVerify(rows, ms, 1);
  assert.equal([1, 2].map((rows) => begun.verifyMs(rows)), [10, 13], "the first one was an outlier");
});

test("Costs of a size seen once or twice are no more than its neighbours say", () => {
  const costs = new Costs();
  for (const [rows, ms] of [[1, 10], [2, 14], [4, 90], [8, 38]] as const) costs.observeVerify(rows, ms, 0);
  assert.is(costs.verifyMs(4, false), 22, "an outlier, as far as one knows");
  assert.is(costs.verifyMs(8, false), 38);
  costs.observeVerify(4, 90, 0);
  assert.is(costs.verifyMs(4, false), 22);
  costs.observeVerify(4, 90, 0);
  assert.is(costs.verifyMs(4, false), 90, "so it is");
});

test("Costs never fall with the rows, nor below 0", () => {
  const costs = new Costs();
  costs.observeVerify(4, 10, 1);
  costs.observeVerify(8, 9, 1);
  assert.is(costs.verifyMs(16), 9);
  costs.observeVerify(2, 1, 1);
  assert.is(costs.verifyMs(1), 0);
});

test.run();
