import type { CostFigures } from "../trace/trace-events.ts";
import { MAX_ROWS } from "../lanes/lane.ts";
import { onLine } from "../../util/numbers.ts";

/**
 * The times of two lanes' draft steps and verifications, in ms: the lower quartile of the last operations, since other
 * work on a machine makes an operation slower, never faster; apart for operations during which the other lane was busy
 * and idle.
 */
export class Costs {
  readonly #draft = { busy: new RecentTimes(), idle: new RecentTimes() };
  readonly #verify = { busy: new RowCosts(), idle: new RowCosts() };
  readonly #turnarounds = { draft: new RecentTimes(), verify: new RecentTimes() };

  observeDraft(msPerStep: number, otherIsBusy: boolean): void {
    this.#draft[otherIsBusy ? "busy" : "idle"].add(msPerStep);
  }

  /**
   * `otherBusy` is the share of the time during which the draft lane was at work. The verification counts as if that
   * had been all of the time, or nothing where it was next to nothing: what the draft lane takes is not to look as if
   * the verify lane alone had become slower.
   */
  observeVerify(rows: number, measuredMs: number, otherBusy: number): void {
    const isBusy = otherBusy > NEXT_TO_NOTHING;
    const table = this.#verify[isBusy ? "busy" : "idle"];
    const contention = this.#contention;
    table.add(rows, measuredMs * (isBusy ? contention : 1) / (1 + (contention - 1) * otherBusy));
  }

  /** The verifications so far were on an empty cache: once a size was seen on texts, their times count no more. */
  endCalibration(): void {
    this.#verify.busy.endCalibration();
    this.#verify.idle.endCalibration();
  }

  /** Takes note of the time, in ms, that a message to an idle lane took beyond the device's: the median counts. */
  observeTurnaround(lane: "draft" | "verify", ms: number): void {
    this.#turnarounds[lane].add(ms);
  }

  /** The time that a message to an idle lane takes beyond the device's, in ms; 0 before the first message. */
  turnaroundMs(lane: "draft" | "verify"): number {
    return Math.max(0, this.#turnarounds[lane].middle ?? 0);
  }

  /** The time of a draft step while the verify lane is busy, or else idle; `undefined` before the first step. */
  draftMs(otherIsBusy = true): number | undefined {
    const { busy, idle } = this.#draft;
    return otherIsBusy ? busy.value ?? idle.value : idle.value ?? busy.value;
  }

  /**
   * The time of a verification while the draft lane is busy, or else idle: as measured, or on the line through its
   * neighbours; `undefined` before verifications of two sizes. A size with fewer than `ENOUGH` samples is capped by its
   * time in the other state (times `#contention`) and by the line between its neighbours, so that one slow outlier
   * cannot stop us from trying the size again.
   */
  verifyMs(rows: number, otherIsBusy = true): number | undefined {
    const { busy, idle } = this.#verify;
    const sizes = [...new Set([...busy.sizes, ...idle.sizes])].sort((a, b) => a - b);
    if (sizes.length < 2) return undefined;
    const contention = this.#contention;
    const [own, other, factor] = otherIsBusy ? [busy, idle, contention] : [idle, busy, 1 / contention];
    const at = (size: number) => {
      const [ownMs, otherMs] = [own.at(size) ?? Infinity, other.at(size) ?? Infinity];
      if (own.count(size) < ENOUGH) return Math.min(ownMs, factor * otherMs);
      // A lane alone is no slower: samples that say so are from before the machine became faster.
      return otherIsBusy || other.count(size) < ENOUGH ? ownMs : Math.min(ownMs, otherMs);
    };
    const others = sizes.filter((size) => size !== rows);
    if (others.length === sizes.length) return onLine(others, at, rows);
    const isBetween = others[0]! < rows && rows < others.at(-1)!;
    const isKnown = !isBetween || own.count(rows) + other.count(rows) >= ENOUGH;
    return isKnown ? at(rows) : Math.min(at(rows), onLine(others, at, rows));
  }

  /** How many times as long verifications take beside a busy draft lane: the least of the sizes seen in both states. */
  get #contention(): number {
    const { busy, idle } = this.#verify;
    const ratios = busy.sizes.map((size) => busy.at(size)! / (idle.at(size) ?? NaN)).filter(Number.isFinite);
    return ratios.length > 0 ? Math.max(1, Math.min(...ratios)) : 1;
  }

  /**
   * The part of the contention that `verifyMs`, a lower quartile, doesn't show: how many times as far the mean lies
   * above the typical time beside a busy draft lane as beside an idle one. Threads that share cores get in each other's
   * way now and then: two thirds of the operations are as fast as ever, and the mean is 5 to 15 % more (two llvmpipe
   * lanes on two cores, lab/schedule).
   */
  get excessContention(): number {
    const [busy, idle] = [this.#verify.busy.meanOverTypical, this.#verify.idle.meanOverTypical];
    return busy !== undefined && idle !== undefined ? Math.max(1, busy / idle) : 1;
  }

  /** The share of a draft step's time by which a verification beside it takes longer. */
  get takenByDrafts(): number {
    return 1 - 1 / this.#contention;
  }

  /** The verify lane's mean time for a token by itself; `undefined` before verifications of two sizes. */
  get aloneMs(): number | undefined {
    const ms = this.verifyMs(1, false);
    const factors = [this.#verify.idle.meanOverTypical, this.#verify.busy.meanOverTypical]
      .filter((factor) => factor !== undefined);
    return ms && ms * (factors.length > 0 ? Math.min(...factors) : 1);
  }

  /** The times measured so far, in ms, for a trace. */
  get figures(): CostFigures {
    const of = (isBusy: boolean) => {
      const table = this.#verify[isBusy ? "busy" : "idle"];
      return {
        draftMs: this.#draft[isBusy ? "busy" : "idle"].value ?? null,
        verifyMs: Object.fromEntries(table.sizes.map((rows) => [rows, table.at(rows)!])),
      };
    };
    return { otherIdle: of(false), otherBusy: of(true) };
  }
}

/**
 * The times of verifications by their rows, in one state of the other lane. A machine that others share is slower at
 * times by as much as a verification of two rows is than one of one: so that sizes measured at different times can be
 * compared, times are kept as they would be at the machine's usual speed. How much slower it is now is measured in each
 * state by itself: a draft lane that takes more from the verify lane than it did doesn't make it slower alone.
 */
class RowCosts {
  /** Times at the machine's usual speed. */
  readonly #byRows: (RecentTimes | undefined)[] = [];
  /** The last verifications' times over the usual ones of their sizes. */
  readonly #slowdowns = new RecentTimes();
  #meanOverTypical = 1;
  #averaged = 0;

  /** The numbers of rows that were measured. */
  get sizes(): number[] {
    return [...this.#byRows.keys()].filter((rows) => this.#byRows[rows]);
  }

  /** Takes note of a verification as it was measured, in ms. */
  add(rows: number, measuredMs: number): void {
    const times = this.#byRows[rows] ??= new RecentTimes(RECENT_OF_A_SIZE);
    const usualMs = times.value;
    // A coarse clock may say that a verification took no time at all.
    if (times.count >= ENOUGH && usualMs! > 0 && measuredMs > 0) this.#slowdowns.add(measuredMs / usualMs!);
    const ms = measuredMs / this.#slowdown;
    times.add(ms);
    const typicalMs = times.value!;
    if (times.count < ENOUGH || !(typicalMs > 0)) return;
    this.#averaged++;
    const over = Math.min(ms / typicalMs, MOST_OVER_TYPICAL) - this.#meanOverTypical;
    this.#meanOverTypical += over / Math.min(this.#averaged, AVERAGE_OVER);
  }

  endCalibration(): void {
    for (const times of this.#byRows) times?.endCalibration();
  }

  /** The mean of the verifications' times over the typical ones of their sizes; `undefined` before enough of them. */
  get meanOverTypical(): number | undefined {
    return this.#averaged < AVERAGE_OVER / 4 ? undefined : this.#meanOverTypical;
  }

  /** The time at the machine's speed as it is now, in ms. */
  at(rows: number): number | undefined {
    const usualMs = this.#byRows[rows]?.value;
    return usualMs && usualMs * this.#slowdown;
  }

  /** How many times as long as usual verifications take these days; 1 where that is no more than noise. */
  get #slowdown(): number {
    const slowdown = this.#slowdowns.value ?? 1;
    return Math.abs(slowdown - 1) > NOISE ? slowdown : 1;
  }

  /** How many of the last times count. */
  count(rows: number): number {
    return this.#byRows[rows]?.count ?? 0;
  }
}

/** A verification counts as one alone if the draft lane was at work for no more than this share of its time. */
const NEXT_TO_NOTHING = 0.1;
/** Verifications of all sizes that the mean over the typical time goes over. */
const AVERAGE_OVER = 64;
/** A single verification counts as at most this many times the typical one: the machine may have stood still. */
const MOST_OVER_TYPICAL = 2;
/** Values that a lower quartile or a median goes over. */
const RECENT = 9;
/** Values that a quartile goes over for verifications of one size, which are seen more seldom. */
const RECENT_OF_A_SIZE = 32;
/** A figure of this many values can be relied upon. */
const ENOUGH = 3;
/** A change of the machine's speed by less than this share is noise. */
const NOISE = 0.1;

/** The last values, `most` of them. */
class RecentTimes {
  readonly #values: number[] = [];
  readonly #most: number;
  /** How many of the values are from the calibration. */
  #calibrated = 0;
  #sorted: readonly number[] | undefined;

  constructor(most = RECENT) {
    this.#most = most;
  }

  /** The lower quartile: of four values or less the least. */
  get value(): number | undefined {
    return this.#inOrder[(this.#values.length - 1) >> 2];
  }

  /** The median. */
  get middle(): number | undefined {
    return this.#inOrder[this.#values.length >> 1];
  }

  get #inOrder(): readonly number[] {
    return this.#sorted ??= this.#values.toSorted((a, b) => a - b);
  }

  get count(): number {
    return this.#values.length;
  }

  endCalibration(): void {
    this.#calibrated = this.#values.length;
  }

  add(value: number): void {
    this.#values.push(value);
    if (this.#values.length > this.#calibrated + ENOUGH) {
      this.#values.splice(0, this.#calibrated);
      this.#calibrated = 0;
    }
    if (this.#values.length > this.#most) this.#values.shift();
    this.#sorted = undefined;
  }
}

/** All sizes of a verification, in rows. */
export const ALL_ROWS: readonly number[] = Array.from({ length: MAX_ROWS }, (_, i) => i + 1);
