import { test } from "uvu";
import * as assert from "uvu/assert";
import { DeviceClock } from "../../src/llama/device-clock.ts";

test("the fastest answer tells how the device's clock and the host's stand", () => {
  const clock = new DeviceClock();
  // The device's clock is 1000 ms behind. The first answer takes 7 ms to come, the second 2, the third 5.
  assert.equal(clock.interval([100, 110], 1090, 1117), { startMs: 1107, endMs: 1117 });
  assert.equal(clock.interval([130, 135], 1120, 1137), { startMs: 1132, endMs: 1137 });
  assert.equal(clock.interval([150, 160], 1140, 1165), { startMs: 1152, endMs: 1162 });
});

test("intervals don't overlap, although the first answers were taken for slower than they are", () => {
  const clock = new DeviceClock();
  assert.equal(clock.interval([100, 110], 1090, 1117), { startMs: 1107, endMs: 1117 });
  // This answer shows a better offset, by which the device began before the end of the one before.
  assert.equal(clock.interval([111, 118], 1095, 1119), { startMs: 1117, endMs: 1119 });
  // And here it ended before that, too.
  assert.equal(clock.interval([118, 118.5], 1096, 1120), { startMs: 1119, endMs: 1119.5 });
});

test("without a device's clock, or where it was set back, the host's times count", () => {
  const clock = new DeviceClock();
  assert.equal(clock.interval(null, 10, 15), { startMs: 10, endMs: 15 });
  assert.equal(clock.interval(null, 12, 20), { startMs: 15, endMs: 20 });
  assert.equal(clock.interval([500, 400], 21, 25), { startMs: 21, endMs: 25 });
  // A time that the clock was set back to is no offset.
  assert.equal(clock.interval([30, 40], 28, 45), { startMs: 35, endMs: 45 });
  // The host's times hold an answer's way too, so the device may well have ended the next one before.
  assert.equal(clock.interval(null, 46, 70), { startMs: 46, endMs: 70 });
  assert.equal(clock.interval([50, 60], 47, 71), { startMs: 70, endMs: 70 });
});

test.run();
