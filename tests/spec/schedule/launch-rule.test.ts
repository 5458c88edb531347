import { test } from "uvu";
import * as assert from "uvu/assert";
import {
  isLaunchName,
  launchAsPublished,
  launchAtOnce,
  launchFixed,
  launchRuleOf,
} from "../../../src/spec/schedule/launch-rule.ts";
import { MAX_ROWS } from "../../../src/spec/lanes/lane.ts";

const pending = (count: number) => Array<number>(count).fill(0.5);

test("the rules that don't learn go by the number of pending tokens", () => {
  const counts = [0, 1, 2, 3, 4];
  const answers = (rule: typeof launchAtOnce) => counts.map((count) => rule.launchNow(pending(count), 0));
  assert.equal(answers(launchAtOnce), [null, 1, 2, 3, 4]);
  assert.equal(answers(launchAsPublished), [null, null, 2, 3, 4]);
  assert.equal(answers(launchFixed(3)), [null, null, null, 3, 3]);
  for (const rule of [launchAtOnce, launchAsPublished, launchFixed(3)]) {
    assert.is(rule.queueNext(pending(9), 2, 0, []), null);
    const most = 2 * (MAX_ROWS - 1);
    assert.equal([1, most, most + 1].map((ahead) => rule.holdDraft(0, ahead)), [false, false, true]);
  }
});

test("a rule is found by its name", () => {
  for (const name of ["adaptive", "published", "fixed:1", "fixed:15"]) assert.ok(isLaunchName(name), name);
  for (const name of ["", "best", "fixed", "fixed:0", "fixed:16", "fixed:1.5", "fixed:-1", "fixed:1 "]) {
    assert.not.ok(isLaunchName(name), name);
  }
  assert.is(launchRuleOf("adaptive", launchAtOnce), launchAtOnce);
  assert.is(launchRuleOf("published", launchAtOnce), launchAsPublished);
  assert.is(launchRuleOf("fixed:7", launchAtOnce).launchNow(pending(9), 0), 7);
});

test.run();
