import { PREFILL_ROWS } from "../llama/llama.ts";
import type { Lane, SavedText } from "../spec/lanes/lane.ts";

/** How many of a text's first tokens the lanes' KV caches hold. */
export interface Held {
  readonly verify: number;
  readonly draft: number;
}

/** A text, and what is saved of it beside the caches. */
interface Slot {
  readonly text: readonly number[];
  readonly verify: SavedText;
  readonly draft: SavedText | null;
}

const NOTHING_HELD: Held = { verify: 0, draft: 0 };

/**
 * The texts whose keys and values are kept, each in a slot: the newest in the lanes' caches, the others saved beside
 * those. A prompt goes on from the one that it shares most with, and the one that was not asked for longest makes room.
 */
export class CachedTexts {
  readonly #verify: Lane;
  readonly #draft: Lane | undefined;
  readonly #slots: number;
  /** The text in the caches, and how much of it each lane holds. */
  #text: readonly number[] = [];
  #held = NOTHING_HELD;
  /** The others, the one asked for last at the end. */
  readonly #saved: Slot[] = [];

  /** At most `slots` texts, 1 or more. */
  constructor(verify: Lane, draft: Lane | undefined, slots: number) {
    this.#verify = verify;
    this.#draft = draft;
    this.#slots = slots;
  }

  /** How many tokens of each text are kept, the newest text last. */
  get lengths(): readonly number[] {
    return [...this.#saved.map(({ verify }) => verify.length), this.#held.verify].filter((length) => length > 0);
  }

  /**
   * Brings the text that shares most with `prompt` into the caches, and tells how many of the prompt's first tokens
   * they then hold; whatever the prompt is fed behind those, the text that was there counts as gone.
   */
  async begin(prompt: readonly number[]): Promise<Held> {
    const shared = sharedLength(this.#text, prompt, this.#held.verify);
    const best = this.#saved.map((slot) => ({ slot, shared: sharedLength(slot.text, prompt, slot.verify.length) }))
      .reduce((best, one) => one.shared > (best?.shared ?? shared) ? one : best, undefined as Candidate | undefined);
    if (best) {
      return await this.#swap(best, isAnother(prompt, best.shared, best.slot.verify.length));
    }
    if (isAnother(prompt, shared, this.#held.verify)) await this.#save();
    const held = { verify: shared, draft: sharedLength(this.#text, prompt, this.#held.draft) };
    this.forget();
    return held;
  }

  /** The caches now hold this much of `text`. */
  end(text: readonly number[], held: Held): void {
    this.#text = text;
    this.#held = held;
  }

  /** The caches will be used for something else: their text is saved, if there is a slot for it, and gone. */
  async leave(): Promise<void> {
    await this.#save();
    this.forget();
  }

  /** The text in the caches counts as gone; tells that they hold nothing. */
  forget(): Held {
    this.#text = [];
    return this.#held = NOTHING_HELD;
  }

  async #save(): Promise<void> {
    if (this.#slots === 1 || this.#held.verify === 0) return;
    this.#makeRoom(this.#slots - 2);
    const [verify, draft] = await Promise.all([
      save(this.#verify, this.#held.verify),
      this.#draft ? save(this.#draft, this.#held.draft) : null,
    ]);
    if (verify) this.#saved.push({ text: this.#text, verify, draft });
    else draft?.free();
  }

  #makeRoom(most: number): void {
    while (this.#saved.length > most) free(this.#saved.shift()!);
  }

  /** Saves the text in the caches, and restores as much of the slot's as is shared; `keeps` the slot as well. */
  async #swap({ slot, shared }: Candidate, keeps: boolean): Promise<Held> {
    const age = this.#saved.indexOf(slot);
    this.#saved.splice(age, 1);
    await this.#save();
    const [verify, draft] = await Promise.all([
      restore(slot.verify, shared),
      slot.draft ? restore(slot.draft, Math.min(shared, slot.draft.length)) : 0,
    ]);
    // What parts early from the slot's text is another one, which doesn't make the slot a newer one.
    if (keeps) this.#saved.splice(age, 0, slot);
    else free(slot);
    this.#makeRoom(this.#slots - 1);
    this.forget();
    return { verify, draft };
  }
}

interface Candidate {
  readonly slot: Slot;
  readonly shared: number;
}

/** How many tokens the two begin with alike, at most `most`. */
function sharedLength(a: readonly number[], b: readonly number[], most: number): number {
  const end = Math.min(most, b.length);
  let length = 0;
  while (length < end && a[length] === b[length]) length++;
  return length;
}

/**
 * Whether the prompt is the beginning of one more text, say from the same system prompt, rather than the kept one's
 * going on: `shared` tokens of the `held` ones are both's. It is, where it shares less than half, or goes another way
 * before more than one pass could feed again. A prompt that ends where they part asks for another answer.
 */
function isAnother(prompt: readonly number[], shared: number, held: number): boolean {
  return 2 * shared < held || (held - shared > PREFILL_ROWS && shared < prompt.length - 1);
}

/** A lost device is the run's to find: here it only means that nothing is saved, or restored. */
async function save(lane: Lane, count: number): Promise<SavedText | null> {
  return count > 0 ? await lane.save(count).catch(() => null) : null;
}

async function restore(saved: SavedText, count: number): Promise<number> {
  return await saved.restore(count).then(() => count, () => 0);
}

function free({ verify, draft }: Slot): void {
  verify.free();
  draft?.free();
}
