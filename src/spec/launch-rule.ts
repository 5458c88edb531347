import type { Clock } from "./clock.ts";
import { MAX_ROWS } from "./lane.ts";
import type { Operation } from "./trace.ts";

/**
 * When the verify lane starts and with how much, and when the draft lane pauses. Asked after every answer of either
 * lane.
 */
export interface LaunchRule {
  /**
   * How many of the `pending` drafted tokens the idle verify lane takes now, as far as MAX_ROWS allows: with 0 it feeds
   * the last committed token alone, with `null` it waits for more. The next draft comes after `stale` more steps of
   * the draft lane that are of no use. It is not left to wait while the draft lane has nothing to do: then it takes
   * all.
   */
  take(pending: number, stale: number): number | null;
  /** Whether the draft lane waits, `ahead` tokens (drafted or being drafted) beyond the committed text. */
  pauses(ahead: number): boolean;
  /** How many tokens the verify lane now decodes by itself, its steps chained, before it is asked again; 0 where drafting goes on. */
  readonly rest: number;
  /** Hears of each operation when it is known what came of it. */
  observe(operation: Operation): void;
}

/**
 * The rule as published (arXiv 2410.17375), but for its wait for a second token: whatever is pending is verified as
 * soon as the lane is idle. The draft pauses once two full verifications are ahead: no more than that could be taken
 * while the next token is drafted.
 */
export const launchAtOnce: LaunchRule = {
  take: (pending) => pending > 0 ? pending : null,
  pauses: (ahead) => ahead >= 2 * (MAX_ROWS - 1),
  rest: 0,
  observe: () => {},
};

/** Drafts beyond the point that the committed text will come to with this chance are not worth their energy. */
const REACHED = 0.1;

/**
 * Takes as many rows as pay, from the times and the acceptance that it has seen: k drafted tokens bring
 * E(k) = 1 + a + ... + a^k committed ones for tv(k + 1). Time is worth what it could earn elsewhere, the best rate that
 * verifications can be fed at: max over k of E(k) / max(tv(k + 1), k td). So it takes the k of the largest
 * E(k) - rate * tv(k + 1), and waits for one more draft if that has a larger one, the wait counted in. In simulation (acceptance
 * .5 to .9, td 5 to 50 % of tv(1)) this comes within 1 to 7 % of the best rule of its kind. Before it has seen enough it launches at once.
 * Where drafting loses against the verify lane alone it is left off for a while.
 */
export class MeasuredLaunchRule implements LaunchRule {
  readonly #clock: Clock;
  readonly #draftMs = new RecentMedian();
  readonly #verifyMs = new Map<number, RecentMedian>();
  /** Drafted tokens that were accepted and rejected, the older ones weighing less; begins as if 7 of 10 were. */
  #accepted = 7;
  #rejected = 3;
  /** When the draft step in flight began: at the last one's end, or when the draft lane was let go on. */
  #draftFromMs = 0;
  #paused = false;
  readonly #pace = new Pace();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  take(pending: number, stale: number): number | null {
    const draftMs = this.#draftMs.value;
    if (draftMs === undefined || this.#verifyMs.size < 2) return launchAtOnce.take(pending, stale);
    const rate = Math.max(...ROWS.map((k) => this.#expected(k) / Math.max(this.#verificationMs(k + 1), k * draftMs)));
    const worth = (k: number, waitMs: number) => this.#expected(k) - rate * (this.#verificationMs(k + 1) + waitMs);
    const most = Math.min(pending, MAX_ROWS - 1);
    let best = 0;
    for (let k = 1; k <= most; k++) if (worth(k, 0) > worth(best, 0)) best = k;
    if (pending >= MAX_ROWS - 1) return best;
    const waitMs = Math.max(0, this.#draftFromMs + draftMs * (1 + stale) - this.#clock.now());
    return worth(pending + 1, waitMs) > worth(best, 0) ? null : best;
  }

  pauses(ahead: number): boolean {
    const pauses = this.rest > 0 || launchAtOnce.pauses(ahead) || this.#acceptance ** ahead < REACHED;
    if (this.#paused && !pauses) this.#draftFromMs = this.#clock.now();
    return this.#paused = pauses;
  }

  get rest(): number {
    return this.#pace.rest;
  }

  observe(operation: Operation): void {
    const { startMs, endMs, tokens, chosen, accepted } = operation;
    if (accepted === undefined) {
      if (operation.operation === "decode") this.#draftMs.add((endMs - startMs) / chosen.length);
      this.#draftFromMs = endMs;
      return;
    }
    const rows = tokens.length;
    let recent = this.#verifyMs.get(rows);
    if (!recent) this.#verifyMs.set(rows, recent = new RecentMedian());
    recent.add(endMs - startMs);
    for (let i = 0; i < rows - 1 && i <= accepted; i++) {
      this.#accepted = this.#accepted * MEMORY + (i < accepted ? 1 : 0);
      this.#rejected = this.#rejected * MEMORY + (i < accepted ? 0 : 1);
    }
    this.#pace.add(operation.position, accepted + 1, endMs, this.#verificationMs(1));
  }

  get #acceptance(): number {
    return this.#accepted / (this.#accepted + this.#rejected);
  }

  /** Tokens that a verification of k drafted tokens commits. */
  #expected(k: number): number {
    const a = this.#acceptance;
    return (1 - a ** (k + 1)) / (1 - a);
  }

  /** tv(n): as measured, or on the line through the two nearest measured ones; never less for more rows. */
  #verificationMs(rows: number): number {
    const known = [...this.#verifyMs.keys()].sort((a, b) => Math.abs(a - rows) - Math.abs(b - rows) || a - b);
    const [near, next] = [known[0]!, known[1] ?? known[0]!];
    const [nearMs, nextMs] = [this.#verifyMs.get(near)!.value!, this.#verifyMs.get(next)!.value!];
    if (near === rows || near === next) return nearMs;
    return nearMs + Math.max(0, (nextMs - nearMs) / (next - near)) * (rows - near);
  }
}

/** Verifications between two judgements while drafting pays, and when it is tried again after a rest. */
const STRETCH = 16;
const PROBE = 6;
/** Verifications without drafts that tell how fast that is. */
const CALIBRATION = 3;
/** What the drafting before weighs at a judgement: tokens come by chance, and 16 verifications are off by a tenth. */
const KEEP = 0.75;
/** Drafting is left off where it is slower by more than this. */
const LOSS = 1.03;
/** Tokens without drafts after a stretch that lost, doubled each time that it loses again. */
const REST = 64;
const LONGEST_REST = 512;
/** Two lanes that share a machine slow each other down; by more than this nobody has seen. */
const CLEAR_GAIN = 1.6;

/**
 * Whether drafting pays at all: compares the pace of tokens with drafts and without. What the draft lane takes from the verify lane
 * where they share cores or a card shows in it. A verify lane alone is measured only where the gain is not clear beyond doubt.
 */
class Pace {
  #alone = false;
  #left = STRETCH;
  #rest = REST;
  #aloneMs: number | undefined;
  /** Of the stretch under way; with drafts, the older ones weigh on in it. */
  #now = { tokens: 0, ms: 0 };
  #drafting = this.#now;
  #position = -1;
  #lastMs = 0;

  /** Tokens that the verify lane is to go on without drafts for now. */
  get rest(): number {
    return this.#alone ? this.#left : 0;
  }

  /** Of a verification that began at `position`: what it committed, when it ended, and what one row costs beside the draft lane. */
  add(position: number, tokens: number, endMs: number, oneRowMs: number): void {
    // Else another run has begun, or a change, and the time between is nobody's.
    if (position === this.#position) {
      this.#now.tokens += tokens;
      this.#now.ms += endMs - this.#lastMs;
      if (--this.#left === 0) return this.#judge(oneRowMs);
    }
    this.#position = position + tokens;
    this.#lastMs = endMs;
  }

  /** The first verification after it is not counted: it may have the other lane's last step beside it. */
  #judge(oneRowMs: number): void {
    const msPerToken = this.#now.ms / this.#now.tokens;
    this.#position = -1;
    if (this.#alone) {
      this.#aloneMs = msPerToken;
      this.#go(false, PROBE);
    } else if (msPerToken * CLEAR_GAIN < oneRowMs) {
      this.#go(false, STRETCH);
    } else if (this.#aloneMs === undefined) {
      this.#go(true, CALIBRATION);
    } else if (msPerToken > LOSS * this.#aloneMs) {
      this.#go(true, this.#rest);
      this.#rest = Math.min(2 * this.#rest, LONGEST_REST);
    } else {
      this.#rest = REST;
      this.#go(false, STRETCH);
    }
  }

  #go(alone: boolean, verifications: number): void {
    this.#alone = alone;
    this.#left = verifications;
    if (alone) this.#now = { tokens: 0, ms: 0 };
    else {
      this.#drafting.tokens *= KEEP;
      this.#drafting.ms *= KEEP;
      this.#now = this.#drafting;
    }
  }
}

const ROWS = Array.from({ length: MAX_ROWS }, (_, k) => k);
/** An old token's weight for each newer one: about the last 50 count. */
const MEMORY = 0.98;
const RECENT = 9;

/** The median of the last RECENT values: an outlier doesn't move it. */
class RecentMedian {
  readonly #values: number[] = [];

  get value(): number | undefined {
    return this.#values.toSorted((a, b) => a - b)[this.#values.length >> 1];
  }

  add(value: number): void {
    this.#values.push(value);
    if (this.#values.length > RECENT) this.#values.shift();
  }
}
