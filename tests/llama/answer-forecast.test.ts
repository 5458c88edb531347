import { test } from "uvu";
import * as assert from "uvu/assert";
import { AnswerForecast } from "../../src/llama/answer-forecast.ts";

function recorded() {
  const due: (number | undefined)[] = [];
  return { due, forecast: new AnswerForecast((atMs) => due.push(atMs)) };
}
const [SHORT, LONG] = [{}, {}];

test("an answer is due after the least time that one of its kind took", () => {
  const { due, forecast } = recorded();
  assert.is(forecast.knows(SHORT), false);
  // Nothing is known of the first one.
  forecast.sent(SHORT, 100);
  forecast.answered(101, 105);
  assert.is(forecast.knows(SHORT), true);
  assert.is(forecast.knows(LONG), false);
  forecast.sent(SHORT, 110);
  forecast.answered(111, 114);
  forecast.sent(SHORT, 120);
  forecast.answered(121, 131);
  forecast.sent(SHORT, 140);
  assert.equal(due, [100, undefined, 114, undefined, 123, undefined, 143]);
});

test("a device that became slower is not looked at for its old times", () => {
  const { due, forecast } = recorded();
  const dueAfter = (ms: number) => {
    forecast.sent(SHORT, 0);
    forecast.answered(0, ms);
    forecast.sent(SHORT, 0);
    const at = due.at(-1);
    forecast.failed(0);
    return at;
  };
  assert.is(dueAfter(10), 10);
  assert.is(dueAfter(20), 10);
  for (let i = 0; i < 20; i++) dueAfter(20);
  assert.is(dueAfter(20), 20);
});

test("the oldest in flight is expected, from the end of the one before it", () => {
  const { due, forecast } = recorded();
  for (const [kind, ms] of [[SHORT, 2], [LONG, 30]] as const) {
    forecast.sent(kind, 0);
    forecast.answered(0, ms);
  }
  due.length = 0;
  forecast.sent(SHORT, 100);
  forecast.sent(LONG, 101);
  forecast.sent(SHORT, 102);
  assert.equal(due, [102], "those behind the oldest change nothing");
  forecast.answered(100, 103);
  forecast.answered(103, 140);
  forecast.answered(140, 142);
  assert.equal(due, [102, 133, 142, undefined]);
});

test("one that fails is no longer expected, and teaches nothing", () => {
  const { due, forecast } = recorded();
  forecast.sent(SHORT, 10);
  forecast.sent(LONG, 11);
  forecast.failed(10);
  forecast.failed(11);
  assert.equal(due, [10, 10, undefined]);
  assert.is(forecast.knows(SHORT), false);
});

test.run();
