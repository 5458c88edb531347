import { test } from "uvu";
import * as assert from "uvu/assert";
import { RealClock, VirtualClock } from "../../src/spec/clock.ts";

async function messageOf(run: () => Promise<unknown>): Promise<string> {
  try {
    await run();
  } catch (error) {
    assert.instance(error, Error);
    return (error as Error).message;
  }
  return "no error";
}

test("VirtualClock wakes by time, and at equal times in the order of falling asleep", async () => {
  const clock = new VirtualClock();
  const woken: string[] = [];
  const sleeper = async (name: string, ...naps: number[]) => {
    for (const ms of naps) {
      await clock.sleep(ms);
      woken.push(`${name} ${clock.now()}`);
    }
  };
  const value = await clock.run(async () => {
    await Promise.all([sleeper("a", 5, 5), sleeper("b", 3, 2, 5), sleeper("c", 5), sleeper("d", 0, 10)]);
    return 7;
  });
  assert.is(value, 7);
  assert.equal(woken, ["d 0", "b 3", "a 5", "c 5", "b 5", "d 10", "a 10", "b 10"]);
  assert.is(clock.now(), 10);
});

test("VirtualClock doesn't move while promises can still settle, however long their chain", async () => {
  const clock = new VirtualClock();
  await clock.run(async () => {
    const other = clock.sleep(1);
    for (let i = 0; i < 10_000; i++) await Promise.resolve();
    assert.is(clock.now(), 0);
    await other;
    assert.is(clock.now(), 1);
  });
});

test("VirtualClock goes on from one run to the next", async () => {
  const clock = new VirtualClock();
  await clock.run(() => clock.sleep(4));
  await clock.run(() => clock.sleep(4));
  assert.is(clock.now(), 8);
});

test("VirtualClock makes a deadlock, a leftover sleeper and a runaway loop errors", async () => {
  assert.is(
    await messageOf(() => new VirtualClock().run(() => new Promise(() => {}))),
    "Cannot go on at 0 ms: nothing sleeps, and the run has not ended",
  );

  const clock = new VirtualClock();
  const leaves = async () => {
    clock.sleep(9);
    await clock.sleep(2);
  };
  assert.is(await messageOf(() => clock.run(leaves)), "Cannot end at 2 ms: 1 still asleep, the next until 9 ms");

  const naps = (count: number) => async () => {
    for (let i = 0; i < count; i++) await short.sleep(1);
  };
  let short = new VirtualClock(100);
  assert.is(await messageOf(() => short.run(naps(100))), "no error");
  short = new VirtualClock(100);
  assert.is(await messageOf(() => short.run(naps(101))), "Cannot go on at 100 ms: 100 wakes, wanted at most 100");
});

test("VirtualClock throws the run's own error first", async () => {
  const clock = new VirtualClock();
  const fails = async () => {
    clock.sleep(9);
    await clock.sleep(2);
    throw new Error("its own");
  };
  assert.is(await messageOf(() => clock.run(fails)), "its own");
});

test("VirtualClock refuses a sleep that is no time", async () => {
  for (const ms of [-1, NaN, Infinity]) {
    assert.is(
      await messageOf(() => new VirtualClock().sleep(ms)),
      `Cannot sleep: ${ms} ms, wanted a finite number >= 0`,
    );
  }
});

test("RealClock doesn't run backwards", async () => {
  const clock = new RealClock();
  const startMs = clock.now();
  await clock.sleep(1);
  assert.ok(clock.now() >= startMs);
});

test.run();
