import type { CostFigures } from "../trace/trace-events.ts";
import { MAX_ROWS } from "../lanes/lane.ts";
import { onLine } from "../../util/numbers.ts";

/**
 * td and tv(n) of two lanes in ms: the lower quartile of what their last operations took, since whatever else a machine does makes an operation slower, never faster;
 * apart for operations during which the other lane was busy and idle. A machine that others share is slower at times by as much as a verification of two rows
 * is than one of one: so that sizes measured at different times can be compared, what is kept of a verification is its time at the usual speed.
 */
export class Costs {
  readonly #draft = { busy: new RecentTimes(), idle: new RecentTimes() };
  /** At the usual speed. */
  readonly #verify = { busy: new RowCosts(), idle: new RowCosts() };
  /** What the last verifications took of what they usually take. */
  readonly #slowness = new RecentTimes();
  readonly #turnarounds = { draft: new RecentTimes(), verify: new RecentTimes() };

  observeDraft(msPerStep: number, otherIsBusy: boolean): void {
    this.#draft[otherIsBusy ? "busy" : "idle"].add(msPerStep);
  }

  /** `otherBusy`: for what share of its time the draft lane was at work. It counts as if that had been all of it, or nothing, whichever is nearer. */
  observeVerify(rows: number, measuredMs: number, otherBusy: number): void {
    const isBusy = otherBusy > 0.5;
    const table = this.#verify[isBusy ? "busy" : "idle"];
    const drag = this.#drag;
    const ms = measuredMs * (isBusy ? drag : 1) / (1 + (drag - 1) * otherBusy);
    const usualMs = table.at(rows);
    // A coarse clock may say that one took no time at all.
    if (table.count(rows) >= ENOUGH && usualMs! > 0 && ms > 0) this.#slowness.add(ms / usualMs!);
    table.add(rows, ms / this.#slowdown);
  }

  /** How many times as long as usual verifications take these days; 1 for what is noise. */
  get #slowdown(): number {
    const slowness = this.#slowness.value ?? 1;
    return Math.abs(slowness - 1) > NOISE ? slowness : 1;
  }

  /** What a message to an idle lane takes beyond the device's time: the median counts. */
  observeTurnaround(lane: "draft" | "verify", ms: number): void {
    this.#turnarounds[lane].add(ms);
  }

  /** 0 before the first message. */
  turnaroundMs(lane: "draft" | "verify"): number {
    return Math.max(0, this.#turnarounds[lane].middle ?? 0);
  }

  /** td while the verify lane is busy, or else idle; `undefined` before the first step. */
  draftMs(otherIsBusy = true): number | undefined {
    const { busy, idle } = this.#draft;
    return otherIsBusy ? busy.value ?? idle.value : idle.value ?? busy.value;
  }

  /**
   * tv(n) while the draft lane is busy, or else idle: as measured, or on the line through its neighbours; `undefined` before verifications of two sizes. What
   * was hardly seen in that state is not taken for dearer than in the other one, with the slowdown that other sizes had, nor than the line through
   * its neighbours: it would not be tried again if that was an outlier.
   */
  verifyMs(rows: number, otherIsBusy = true): number | undefined {
    const ms = this.#usualMs(rows, otherIsBusy);
    return ms && ms * this.#slowdown;
  }

  #usualMs(rows: number, otherIsBusy: boolean): number | undefined {
    const { busy, idle } = this.#verify;
    const sizes = [...new Set([...busy.sizes, ...idle.sizes])].sort((a, b) => a - b);
    if (sizes.length < 2) return undefined;
    const drag = this.#drag;
    const [own, other, factor] = otherIsBusy ? [busy, idle, drag] : [idle, busy, 1 / drag];
    const at = (size: number) => {
      const [ownMs, otherMs] = [own.at(size) ?? Infinity, other.at(size) ?? Infinity];
      if (own.count(size) < ENOUGH) return Math.min(ownMs, factor * otherMs);
      // Alone it is no slower: what says so is from before the machine became faster.
      return otherIsBusy ? ownMs : Math.min(ownMs, otherMs);
    };
    const others = sizes.filter((size) => size !== rows);
    if (others.length === sizes.length) return onLine(others, at, rows);
    const isBetween = others[0]! < rows && rows < others.at(-1)!;
    const isKnown = !isBetween || own.count(rows) + other.count(rows) >= ENOUGH;
    return isKnown ? at(rows) : Math.min(at(rows), onLine(others, at, rows));
  }

  /** How many times as long verifications take beside a busy draft lane: of the sizes seen in both states the least. */
  get #drag(): number {
    const { busy, idle } = this.#verify;
    const ratios = busy.sizes.map((size) => busy.at(size)! / (idle.at(size) ?? NaN)).filter(Number.isFinite);
    return ratios.length > 0 ? Math.max(1, Math.min(...ratios)) : 1;
  }

  /**
   * How many times as long verifications take on average, beyond what `verifyMs` tells, beside a busy draft lane than beside an idle one. Threads that share cores get in
   * each other's way now and then: two thirds of the operations are as fast as ever, and the average is 5 to 15 % more (two llvmpipe lanes on two cores, lab/schedule).
   */
  get strain(): number {
    const [busy, idle] = [this.#verify.busy.strain, this.#verify.idle.strain];
    return busy !== undefined && idle !== undefined ? Math.max(1, busy / idle) : 1;
  }

  /** What the verify lane takes for a token by itself, on average; `undefined` before verifications of two sizes. */
  get aloneMs(): number | undefined {
    const ms = this.verifyMs(1, false);
    const strains = [this.#verify.idle.strain, this.#verify.busy.strain].filter((strain) => strain !== undefined);
    return ms && ms * (strains.length > 0 ? Math.min(...strains) : 1);
  }

  /** What was measured so far, in ms: for a trace. */
  get figures(): CostFigures {
    const of = (isBusy: boolean) => {
      const table = this.#verify[isBusy ? "busy" : "idle"];
      return {
        draftMs: this.#draft[isBusy ? "busy" : "idle"].value ?? null,
        verifyMs: Object.fromEntries(table.sizes.map((rows) => [rows, table.at(rows)! * this.#slowdown])),
      };
    };
    return { otherIdle: of(false), otherBusy: of(true) };
  }
}

/** tv(n) in one state of the other lane. */
class RowCosts {
  readonly #byRows: (RecentTimes | undefined)[] = [];
  #strain = 1;
  #strained = 0;

  /** The n that were measured. */
  get sizes(): number[] {
    return [...this.#byRows.keys()].filter((rows) => this.#byRows[rows]);
  }

  add(rows: number, ms: number): void {
    const times = this.#byRows[rows] ??= new RecentTimes(OF_A_SIZE);
    times.add(ms);
    if (times.count < ENOUGH || !(times.value! > 0)) return;
    this.#strained++;
    this.#strain += (Math.min(ms / times.value!, MOST_STRAIN) - this.#strain) / Math.min(this.#strained, REMEMBERED);
  }

  /** What verifications took on average of what their size usually takes; `undefined` before enough of them. */
  get strain(): number | undefined {
    return this.#strained < REMEMBERED / 4 ? undefined : this.#strain;
  }

  at(rows: number): number | undefined {
    return this.#byRows[rows]?.value;
  }

  /** How many of the last values count. */
  count(rows: number): number {
    return this.#byRows[rows]?.count ?? 0;
  }
}

/** Verifications of all sizes that the average goes over, and what it counts of a single one at most. */
const REMEMBERED = 64;
const MOST_STRAIN = 2;

const RECENT = 9;
const OF_A_SIZE = 32;
/** So many values can be relied upon. */
const ENOUGH = 3;
/** Of a machine's speed. */
const NOISE = 0.1;

/** The last `most` values. */
class RecentTimes {
  readonly #values: number[] = [];
  readonly #most: number;
  #sorted: readonly number[] | undefined;

  constructor(most = RECENT) {
    this.#most = most;
  }

  /** The lower quartile: of four values or less the least. */
  get value(): number | undefined {
    return this.#inOrder[(this.#values.length - 1) >> 2];
  }

  get middle(): number | undefined {
    return this.#inOrder[this.#values.length >> 1];
  }

  get #inOrder(): readonly number[] {
    return this.#sorted ??= this.#values.toSorted((a, b) => a - b);
  }

  get count(): number {
    return this.#values.length;
  }

  add(value: number): void {
    this.#values.push(value);
    if (this.#values.length > this.#most) this.#values.shift();
    this.#sorted = undefined;
  }
}

/** All sizes of a verification, by rows; 0 has none. */
export const ALL_ROWS: readonly number[] = Array.from({ length: MAX_ROWS }, (_, i) => i + 1);
