import type { Clock } from "../clock.ts";
import { type Lane, LaneLostError, type LaneResult, type SavedText, untilLast } from "../lanes/lane.ts";
import { LaneState } from "../lanes/lane-state.ts";
import { AdaptiveLaunch } from "../schedule/adaptive-launch.ts";
import type { Estimates } from "../schedule/estimates.ts";
import type { Sampling } from "../../util/sampling.ts";
import { amusd } from "./amusd.ts";
import { greedy } from "./greedy.ts";
import { type Choice, MiddleRun } from "./middle-run.ts";

export interface ChainedLaneOptions {
  readonly name: string;
  /** The lane whose model chooses. */
  readonly middle: Lane;
  /** The lane that drafts for it. */
  readonly draft: Lane;
  /** What is known of these two lanes, and what runs on them go on to teach. */
  readonly estimates: Estimates;
  readonly clock: Clock;
  /** Takes one line for the user: the lane goes on without its draft lane. */
  readonly warn: (message: string) => void;
}

interface Message {
  cutAt: number;
}

/**
 * A lane that decodes by speculation: it chooses what the middle lane's model chooses, and sooner, since `amusd` runs
 * on that lane and on a draft lane. What is committed there is pending for a run that drafts with this lane: so a chain
 * of three models, or more, is two lanes to every strategy.
 *
 * It is a lane to draft with: it has no branches and verifies nothing ahead. A step is not waited for where a later
 * message has cut off what it would choose: its answer is the token that it was fed.
 */
export class ChainedLane implements Lane {
  readonly name: string;
  readonly capacity: number;
  readonly stepsAhead = 2;
  readonly branchCapacity = 0;
  readonly #options: ChainedLaneOptions;
  readonly #state: LaneState;
  readonly #rule: AdaptiveLaunch;
  /** The tokens that it was fed, by the messages that are done. */
  readonly #text: number[] = [];
  #chosen = 0;
  /** How many of them each lane's cache holds; while a run is under way that is known at its end. */
  #held = { middle: 0, draft: 0 };
  #run: MiddleRun | undefined;
  #draftLost = false;
  /** How many tokens it will have been fed once all that was sent is done. */
  #sent = 0;
  /** The messages that are not answered yet, each with the lowest position at which a later one has cut the text. */
  readonly #unanswered = new Set<Message>();
  /** The newest message; never rejects. */
  #newest: Promise<unknown> = Promise.resolve();

  constructor(options: ChainedLaneOptions) {
    const { name, middle, estimates, clock } = options;
    this.name = name;
    // A run's last token has a place in the middle lane's cache too.
    this.capacity = middle.capacity - 1;
    this.#options = options;
    this.#state = new LaneState(name, this.capacity, this.branchCapacity);
    this.#rule = new AdaptiveLaunch(estimates, clock);
  }

  sample(sampling: Sampling | null): void {
    const { middle, draft } = this.#options;
    // What it has written ahead was drawn otherwise.
    this.#run?.abort();
    for (const lane of [middle, draft]) lane.sample(sampling);
  }

  // Async so that a RangeError rejects; so are the next ones.
  async prefill(
    tokens: readonly number[],
    position: number,
    onFed?: (count: number) => void,
  ): Promise<LaneResult> {
    this.#state.prefill(tokens.length, position);
    return this.#send(tokens.length, position, async () => {
      const { clock, estimates } = this.#options;
      const startMs = clock.now();
      estimates.predictor.newText();
      await this.#endRun(tokens, position);
      await this.#fill(this.#text.length, onFed && ((fed) => onFed(fed - position)));
      return this.#fedFrom(startMs);
    });
  }

  async verify(tokens: readonly number[], position: number): Promise<LaneResult> {
    this.#state.verify(tokens.length, position);
    return this.#send(tokens.length, position, async () => {
      await this.#endRun(tokens, position);
      await this.#fill(position);
      const answer = await this.#options.middle.verify(tokens, position);
      this.#held.middle = this.#text.length;
      this.#chosen = answer.tokens.at(-1)!;
      return answer;
    });
  }

  async verifyNext(): Promise<LaneResult> {
    throw new RangeError(`Cannot verify ahead on the ${this.name} lane: it only drafts`);
  }

  async decode(token: number | null, position: number, steps: number, fork?: number): Promise<LaneResult> {
    this.#state.decode(token, position, steps, fork);
    return this.#send(steps, position, async (message) => {
      const choices: Choice[] = [];
      for (let i = 0; i < steps; i++) {
        const fed = i === 0 && token !== null ? token : this.#chosen;
        this.#feed([fed], position + i);
        const choice = await this.#choose(() => message.cutAt <= position + i + 1) ?? this.#nothing(fed);
        this.#chosen = choice.token;
        choices.push(choice);
      }
      return {
        tokens: choices.map(({ token }) => token),
        confidences: choices.map(({ confidence }) => confidence),
        runnersUp: choices.map(({ runnerUp }) => runnerUp),
        startMs: choices[0]!.startMs,
        endMs: choices.at(-1)!.endMs,
      };
    });
  }

  async keep(): Promise<LaneResult> {
    throw new RangeError(`Cannot keep a branch on the ${this.name} lane: it has none`);
  }

  async save(count: number): Promise<SavedText | null> {
    this.#state.save(count);
    // Nothing that is sent later cuts off what is saved.
    this.#unanswered.clear();
    return this.#send(0, this.#sent, async () => {
      await this.#endRun([], this.#text.length);
      const text = this.#text.slice(0, count);
      const held = this.#held;
      const save = (lane: Lane, held: number) => held > 0 ? lane.save(Math.min(count, held)) : null;
      const middle = await save(this.#options.middle, held.middle);
      if (!middle) return null;
      const draft = this.#draftLost ? null : await save(this.#options.draft, held.draft)?.catch(() => null);
      return {
        length: count,
        restore: (count) => this.#restore(text, count, middle, draft),
        free: () => {
          middle.free();
          draft?.free();
        },
      };
    });
  }

  /** What a lane lacks of the text's first `count` tokens it is fed when a step needs it. */
  async #restore(
    text: readonly number[],
    count: number,
    middle: SavedText,
    draft: SavedText | null | undefined,
  ): Promise<LaneResult> {
    this.#state.restore(count, text.length);
    return this.#send(count, 0, async () => {
      const startMs = this.#options.clock.now();
      await this.#endRun(text.slice(0, count), 0);
      const restore = async (saved: SavedText) => {
        const held = Math.min(count, saved.length);
        await saved.restore(held);
        return held;
      };
      const drafted = draft && !this.#draftLost ? restore(draft) : 0;
      const [held, draftHeld] = await Promise.all([restore(middle), drafted]);
      this.#held = { middle: held, draft: draftHeld };
      return this.#fedFrom(startMs);
    });
  }

  /** The answer to a message that only feeds, and ends now. */
  #fedFrom(startMs: number): LaneResult {
    return { tokens: [], confidences: [], runnersUp: [], startMs, endMs: this.#options.clock.now() };
  }

  async drain(): Promise<void> {
    await untilLast(() => this.#newest);
    // Its lanes work ahead of what was asked for.
    this.#newest = this.#endRun([], this.#text.length).catch(() => {});
    await this.#newest;
  }

  async close(): Promise<void> {
    const { middle, draft } = this.#options;
    this.#state.close();
    await this.drain();
    await Promise.all([middle.close(), draft.close()]);
  }

  /** Queues a message that feeds `count` tokens at `position`. */
  #send<T>(count: number, position: number, work: (message: Message) => Promise<T>): Promise<T> {
    if (position < this.#sent) {
      for (const message of this.#unanswered) message.cutAt = Math.min(message.cutAt, position);
      this.#run?.abort();
    }
    this.#sent = position + count;
    const message: Message = { cutAt: Infinity };
    this.#unanswered.add(message);
    const result = this.#newest.then(() => work(message)).finally(() => this.#unanswered.delete(message));
    this.#newest = result.catch(() => {});
    return result;
  }

  #feed(tokens: readonly number[], position: number): void {
    this.#text.length = position;
    for (const token of tokens) this.#text.push(token);
    this.#hold(position);
  }

  /** No lane's cache holds more than `most` of the text's first tokens. */
  #hold(most: number): void {
    this.#held = { middle: Math.min(this.#held.middle, most), draft: Math.min(this.#held.draft, most) };
  }

  /** Ends the run under way, then feeds those tokens. */
  async #endRun(tokens: readonly number[], position: number): Promise<void> {
    this.#feed(tokens, position);
    const run = this.#run;
    this.#run = undefined;
    if (run) this.#held = await run.end(this.#text);
    this.#hold(position);
  }

  /** Feeds both lanes what their caches lack of the text's first `length` tokens. `onFed` hears of the middle one's. */
  async #fill(length: number, onFed?: (fed: number) => void): Promise<void> {
    const { middle, draft } = this.#options;
    const { middle: from, draft: draftFrom } = this.#held;
    const feed = (lane: Lane, from: number, onFed?: (count: number) => void) =>
      from < length ? lane.prefill(this.#text.slice(from, length), from, onFed) : undefined;
    const drafted = this.#draftLost ? undefined : feed(draft, draftFrom)?.catch((error) => {
      if (!(error instanceof LaneLostError)) throw error;
      this.#loseDraft(`${error.message}; going on without it`);
    });
    await Promise.all([feed(middle, from, onFed && ((count) => onFed(from + count))), drafted]);
    this.#held = { middle: Math.max(from, length), draft: Math.max(draftFrom, length) };
  }

  #loseDraft(message: string): void {
    if (!this.#draftLost) this.#options.warn(message);
    this.#draftLost = true;
  }

  /** What the middle model chooses after the text; undefined for a step that is cut off. */
  async #choose(isCutOff: () => boolean): Promise<Choice | undefined> {
    while (!isCutOff()) {
      if (!this.#run?.agrees(this.#text)) {
        await this.#endRun([], this.#text.length);
        if (isCutOff()) return undefined;
        this.#run = this.#begin();
      }
      const choice = await this.#run!.after(this.#text.length);
      if (choice) return choice;
      // Only an aborted run ends, or one that has met an error.
      this.#run!.abort();
    }
    return undefined;
  }

  #nothing(fed: number): Choice {
    const nowMs = this.#options.clock.now();
    return { token: fed, confidence: 0, runnerUp: fed === 0 ? 1 : 0, startMs: nowMs, endMs: nowMs };
  }

  /** A run of the middle lane after the text. */
  #begin(): MiddleRun {
    const { middle, draft, estimates, clock } = this.#options;
    return new MiddleRun(this.#draftLost ? greedy : amusd, this.#text, {
      lanes: { verify: middle, draft, cached: { verify: this.#held.middle, draft: this.#held.draft } },
      estimates,
      rule: this.#rule,
      clock,
      warn: (message) => this.#loseDraft(message),
    });
  }
}
