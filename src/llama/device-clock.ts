/** When a device worked on a submission, in ms of `performance.now()`. */
export interface Interval {
  readonly startMs: number;
  readonly endMs: number;
}

/**
 * Puts a device's timestamps on the host's clock. A device counts time on a clock of its own; the least time ever seen
 * from a submission's end on it to its answer on the host's clock tells how the two stand. Intervals don't overlap.
 */
export class DeviceClock {
  /** Add this to a time of the device. */
  #offsetMs = Infinity;
  #lastEndMs = 0;

  /**
   * When the device worked on the next submission that was answered: it was sent at `submitMs` and the answer came at
   * `doneMs`. `deviceMs` is when it began and ended by the device's clock; without that, or where the device's clock
   * was set back meanwhile, the interval is from `submitMs` to `doneMs`.
   */
  interval(deviceMs: readonly [begin: number, end: number] | null, submitMs: number, doneMs: number): Interval {
    let [startMs, endMs] = [submitMs, doneMs];
    if (deviceMs && deviceMs[1] > deviceMs[0]) {
      this.#offsetMs = Math.min(this.#offsetMs, doneMs - deviceMs[1]);
      [startMs, endMs] = [deviceMs[0] + this.#offsetMs, deviceMs[1] + this.#offsetMs];
    }
    startMs = Math.max(startMs, this.#lastEndMs);
    endMs = Math.max(startMs, endMs);
    this.#lastEndMs = endMs;
    return { startMs, endMs };
  }
}
