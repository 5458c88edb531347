import { MAX_ROWS } from "./lane.ts";

/** td and tv(n) of two lanes in ms, as their last operations had them: apart for operations during which the other lane was busy and idle. */
export class Costs {
  readonly #draft = { busy: new RecentMedian(), idle: new RecentMedian() };
  readonly #verify = { busy: new RowCosts(), idle: new RowCosts() };
  readonly #turnarounds = { draft: new RecentMedian(), verify: new RecentMedian() };

  observeDraft(msPerStep: number, otherIsBusy: boolean): void {
    this.#draft[otherIsBusy ? "busy" : "idle"].add(msPerStep);
  }

  observeVerify(rows: number, ms: number, otherIsBusy: boolean): void {
    this.#verify[otherIsBusy ? "busy" : "idle"].add(rows, ms);
  }

  /** What a message to an idle lane takes beyond the device's time. */
  observeTurnaround(lane: "draft" | "verify", ms: number): void {
    this.#turnarounds[lane].add(ms);
  }

  /** 0 before the first message. */
  turnaroundMs(lane: "draft" | "verify"): number {
    return Math.max(0, this.#turnarounds[lane].value ?? 0);
  }

  /** td while the verify lane is busy, or else idle; `undefined` before the first step. */
  draftMs(otherIsBusy = true): number | undefined {
    const { busy, idle } = this.#draft;
    return otherIsBusy ? busy.value ?? idle.value : idle.value ?? busy.value;
  }

  /**
   * tv(n) while the draft lane is busy, or else idle: as measured, or on the line through the two nearest measured sizes; `undefined` before
   * verifications of two sizes. What was seen in the other state alone is taken with the slowdown that a size seen in both had. A size that was
   * hardly seen is not taken for dearer than the line through its neighbours: it would not be tried again if that was an outlier.
   */
  verifyMs(rows: number, otherIsBusy = true): number | undefined {
    const { busy, idle } = this.#verify;
    const [own, other] = otherIsBusy ? [busy, idle] : [idle, busy];
    const sizes = [...new Set([...own.sizes, ...other.sizes])];
    if (sizes.length < 2) return undefined;
    const both = own.sizes.find((size) => other.at(size) !== undefined);
    const slowdown = both === undefined ? 1 : own.at(both)! / other.at(both)!;
    // Of no time at all there is no multiple.
    const factor = Number.isFinite(slowdown) ? slowdown : 1;
    const at = (size: number) => own.at(size) ?? factor * other.at(size)!;
    if (!sizes.includes(rows) || own.count(rows) + other.count(rows) >= ENOUGH) return onLine(sizes, at, rows);
    const rest = sizes.filter((size) => size !== rows);
    const isBetween = rest.some((size) => size < rows) && rest.some((size) => size > rows);
    return isBetween ? Math.min(at(rows), between(rest, at, rows)) : at(rows);
  }

  /** What was measured so far, in ms: for a trace. */
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

/** By whether the other lane was at work: td, and tv(n) by n, in ms. */
export interface CostFigures {
  readonly otherIdle: LaneCosts;
  readonly otherBusy: LaneCosts;
}

interface LaneCosts {
  readonly draftMs: number | null;
  readonly verifyMs: Readonly<Record<number, number>>;
}

/** tv(n) in one state of the other lane. */
class RowCosts {
  readonly #byRows: (RecentMedian | undefined)[] = [];

  /** The n that were measured. */
  get sizes(): number[] {
    return [...this.#byRows.keys()].filter((rows) => this.#byRows[rows]);
  }

  add(rows: number, ms: number): void {
    (this.#byRows[rows] ??= new RecentMedian()).add(ms);
  }

  at(rows: number): number | undefined {
    return this.#byRows[rows]?.value;
  }

  /** How many of the last values count. */
  count(rows: number): number {
    return this.#byRows[rows]?.count ?? 0;
  }
}

/** The value on the line through the nearest sizes on either side of `rows`. */
function between(sizes: readonly number[], at: (size: number) => number, rows: number): number {
  const below = Math.max(...sizes.filter((size) => size < rows));
  const above = Math.min(...sizes.filter((size) => size > rows));
  return at(below) + (at(above) - at(below)) * (rows - below) / (above - below);
}

/** The value at `rows`, or on the line through the two nearest of two or more sizes; never less for more rows. */
function onLine(sizes: readonly number[], at: (size: number) => number, rows: number): number {
  const [near, next] = sizes.toSorted((a, b) => Math.abs(a - rows) - Math.abs(b - rows) || a - b) as [number, number];
  const [nearMs, nextMs] = [at(near), at(next)];
  return near === rows ? nearMs : Math.max(0, nearMs + Math.max(0, (nextMs - nearMs) / (next - near)) * (rows - near));
}

const RECENT = 9;
/** Of so many values the median can be relied upon. */
const ENOUGH = 3;

/** The median of the last RECENT values: an outlier doesn't move it. */
class RecentMedian {
  readonly #values: number[] = [];
  #median: number | undefined;

  get value(): number | undefined {
    return this.#median ??= this.#values.toSorted((a, b) => a - b)[this.#values.length >> 1];
  }

  get count(): number {
    return this.#values.length;
  }

  add(value: number): void {
    this.#values.push(value);
    if (this.#values.length > RECENT) this.#values.shift();
    this.#median = undefined;
  }
}

/** All sizes of a verification, by rows; 0 has none. */
export const ALL_ROWS: readonly number[] = Array.from({ length: MAX_ROWS }, (_, i) => i + 1);
