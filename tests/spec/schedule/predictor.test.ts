import { test } from "uvu";
import * as assert from "uvu/assert";
import { randomOf } from "../../../src/util/random.ts";
import { Predictor } from "../../../src/spec/schedule/predictor.ts";

test("Predictor begins with the confidence itself", () => {
  const predictor = new Predictor();
  for (const confidence of [0.1, 0.5, 0.9]) assert.ok(Math.abs(predictor.chance(confidence, 3) - confidence) < 1e-9);
});

/** What a drafter's confidence really means, and by place: two drafters that are off in other ways. */
const DRAFTERS: Record<string, (confidence: number, place: number) => number> = {
  overconfident: (confidence) => 0.6 * confidence,
  "worse the further it goes": (confidence, place) => Math.min(0.98, confidence ** (0.5 + place / 4)),
};
for (const [name, chance] of Object.entries(DRAFTERS)) {
  test(`Predictor learns a drafter that is ${name}`, () => {
    const random = randomOf(4);
    const predictor = new Predictor();
    let accepted = 0;
    for (let i = 0; i < 4000; i++) {
      const [confidence, place] = [random(), 1 + Math.floor(4 * random())];
      const hit = random() < chance(confidence, place);
      predictor.observe(confidence, place, hit);
      if (i >= 3940) accepted += hit ? 1 : 0;
    }
    for (const confidence of [0.2, 0.5, 0.8, 0.95]) {
      for (const place of [1, 2, 4]) {
        const [got, wanted] = [predictor.chance(confidence, place), chance(confidence, place)];
        assert.ok(Math.abs(got - wanted) < 0.12, `${confidence} at ${place}: ${got}, wanted ${wanted}`);
      }
    }
    assert.ok(Math.abs(predictor.mean - accepted / 60) < 0.2, `${predictor.mean} on average`);
  });
}

test("Predictor stays with the truth through a long text of changing kinds", () => {
  const random = randomOf(1);
  const predictor = new Predictor();
  const kinds = [() => random() ** 4, () => 1 - random() ** 6, random];
  for (let i = 0; i < 60_000; i++) {
    const confidence = kinds[Math.floor(i / 700) % kinds.length]!();
    predictor.observe(confidence, 1 + Math.floor(12 * random() ** 3), random() < 0.9 * confidence);
    if (i < 2000 || i % 500 > 0) continue;
    for (const confidence of [0.1, 0.5, 0.9]) {
      const chance = predictor.chance(confidence, 1);
      assert.ok(Math.abs(chance - 0.9 * confidence) < 0.25, `${confidence} is said to be ${chance} after ${i}`);
    }
  }
});

test("Predictor's average goes over 200 tokens, and soon over a new text's own", () => {
  const predictor = new Predictor();
  const observe = (count: number, accepted: boolean) => {
    for (let i = 0; i < count; i++) predictor.observe(0.5, 1, accepted);
    return predictor.mean;
  };
  assert.ok(observe(2000, true) > 0.99);
  const same = observe(20, false);
  assert.ok(Math.abs(same - (1 - 1 / 200) ** 20) < 0.01, `${same} in the same text`);
  assert.ok(observe(2000, true) > 0.99);
  predictor.newText();
  const other = observe(20, false);
  assert.ok(Math.abs(other - 10 / 30) < 0.01, `${other} in a new one`);
});

test("Predictor learns how often the second choice is right", () => {
  const predictor = new Predictor();
  assert.is(predictor.runnerUpChance, 0.5);
  for (let i = 0; i < 500; i++) predictor.observeRunnerUp(i % 5 === 0);
  assert.ok(Math.abs(predictor.runnerUpChance - 0.2) < 0.05);
});

test("Predictor gives a chance whatever it has seen", () => {
  const predictor = new Predictor();
  for (let i = 0; i < 3000; i++) predictor.observe(i % 2, 1 + i % 15, i % 3 === 0);
  for (const confidence of [0, 1, 0.5]) {
    const chance = predictor.chance(confidence, 15);
    assert.ok(chance > 0 && chance < 1, `${chance}`);
  }
});

test.run();
