import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { MAX_ROWS } from "../../../src/spec/lanes/lane.ts";
import { acceptedOf, solveLaunchPolicy } from "../../../src/spec/schedule/launch-policy.ts";

const costs = fc.record({
  a: fc.double({ min: 0.05, max: 0.95, noNaN: true }),
  c: fc.double({ min: 0.02, max: 1, noNaN: true }),
  beta: fc.double({ min: 0, max: 1, noNaN: true }),
  unitMs: fc.constantFrom(0.5, 1, 40),
});
const policyOf = ({ a, c, beta, unitMs }: { a: number; c: number; beta: number; unitMs: number }) =>
  solveLaunchPolicy({
    acceptance: a,
    draftMs: c * unitMs,
    verifyMs: Array.from({ length: MAX_ROWS + 1 }, (_, rows) => unitMs * (1 + beta * (rows - 1))),
    staleSteps: 0.5,
  });

test("solveLaunchPolicy() earns at least what the verify lane does alone, at most what a linear scheme can", () => {
  fc.assert(fc.property(costs, (point) => {
    const { a, c, unitMs } = point;
    const speedup = policyOf(point).rate * unitMs;
    assert.ok(speedup >= 0.999, `${speedup}`);
    // The bound of ../shared/notes/speculation.md; at most a full verification and its bonus at a time.
    assert.ok(speedup <= 1.001 / ((1 - a) + a * c), `${speedup}, a ${a}, c ${c}`);
    assert.ok(speedup <= MAX_ROWS);
  }));
});

test("solveLaunchPolicy() is at least what sd earns with its best window", () => {
  fc.assert(fc.property(costs, (point) => {
    const { a, c, beta, unitMs } = point;
    const sd = Math.max(
      ...Array.from({ length: MAX_ROWS }, (_, k) => (1 - a ** (k + 1)) / ((1 - a) * (k * c + 1 + beta * k))),
    );
    const speedup = policyOf(point).rate * unitMs;
    // A rejection leaves half a draft step that sd doesn't have.
    assert.ok(speedup >= sd / (1 + c / 2), `${speedup}, sd ${sd}`);
  }));
});

test("solveLaunchPolicy() values more expected tokens more, and none at nothing", () => {
  fc.assert(fc.property(costs, (point) => {
    const { value } = policyOf(point);
    assert.is(value(0), 0);
    let last = 0;
    for (let expected = 0.1; expected < 30; expected += 0.4) {
      assert.ok(value(expected) >= last - 1e-6, `${expected}: ${value(expected)} after ${last}`);
      last = value(expected);
    }
  }));
});

test("acceptedOf() is the sum over the places", () => {
  assert.is(acceptedOf(0, 0.5), 0);
  assert.is(acceptedOf(3, 0.5), 0.5 + 0.25 + 0.125);
});

test.run();
