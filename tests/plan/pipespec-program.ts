// PipeSpec's two ways to decode with two models or more, as its decoding.py has them (at 90eaabe), on lanes.

import type { Clock } from "../../src/spec/clock.ts";
import { countAccepted, type Lane } from "../../src/spec/lanes/lane.ts";

/** One of its models, in a process: the tokens that it takes for the text, and a lane that holds all but the last. */
export class Model {
  tokens: readonly number[];
  readonly #lane: Lane;
  /** How many of the tokens the lane's cache holds. */
  #held: number;

  constructor(lane: Lane, tokens: readonly number[]) {
    this.#lane = lane;
    this.tokens = tokens;
    this.#held = tokens.length - 1;
  }

  get length(): number {
    return this.tokens.length;
  }

  /** Adds a token of its own. */
  async step(): Promise<void> {
    const [fed, from] = [this.tokens.slice(this.#held), this.#held];
    const message = fed.length === 1 ? this.#lane.decode(fed[0]!, from, 1) : this.#lane.verify(fed, from);
    const { tokens } = await message;
    this.#held = this.length;
    this.tokens = [...this.tokens, tokens.at(-1)!];
  }

  /** Verifies all that is drafted; where that contradicts its text, or ends before it, its last token alone. */
  async verify({ tokens: drafted }: Model): Promise<void> {
    const { tokens } = this;
    const goesOn = drafted.length >= tokens.length && tokens.every((token, i) => token === drafted[i]);
    const rows = (goesOn ? drafted : tokens).slice(this.#held);
    const { tokens: chosen } = await this.#lane.verify(rows, this.#held);
    const own = tokens.length - 1 - this.#held;
    const accepted = countAccepted(rows.slice(own), chosen.slice(own));
    this.tokens = [...tokens, ...chosen.slice(own, own + accepted + 1)];
    this.#held = this.length - 1;
  }

  /** Takes over a text that contradicts its own. What only goes further, as a bonus does, it leaves to itself. */
  follow({ tokens }: Model): void {
    const parting = this.tokens.findIndex((token, i) => i < tokens.length && token !== tokens[i]);
    if (parting < 0) return;
    this.tokens = tokens;
    this.#held = parting;
  }
}

/** Takes turns until the last model's text has that length; returns the time. */
export async function chain(
  models: readonly Model[],
  length: number,
  lookahead: number,
  clock: Clock,
): Promise<number> {
  const last = models.at(-1)!;
  const isShort = (model: number) => models[model]!.length - models[model + 1]!.length < lookahead - 1;
  while (last.length < length) {
    while (isShort(0)) await models[0]!.step();
    for (let model = 1; model < models.length - 1; model++) {
      await models[model]!.verify(models[model - 1]!);
      while (isShort(model)) await models[model]!.step();
    }
    await last.verify(models.at(-2)!);
    for (const model of models.slice(0, -1)) model.follow(last);
  }
  return clock.now();
}

/**
 * Lets each model go on by itself until the last one's text has that length; returns the time. After each of its
 * verifications a model asks the one before it to follow, which does so between two operations; till then none starts.
 */
export async function asyncChain(
  models: readonly Model[],
  length: number,
  lookahead: number,
  clock: Clock,
): Promise<number> {
  /** Whether a model is asked to follow the next one. */
  const asked = models.map(() => false);
  let ended = false;
  let tell = () => {};
  let changed = Promise.resolve();
  const change = () => {
    tell();
    changed = new Promise((resolve) => tell = resolve);
  };
  change();
  const isAhead = (model: number) => models[model]!.length <= models[model - 1]!.length - lookahead + 1;
  const follow = (model: number) => {
    if (asked[model]) models[model]!.follow(models[model + 1]!);
    asked[model] = false;
    change();
  };
  const ask = (model: number) => {
    asked[model] = true;
    change();
  };
  const isFollowed = async (model: number) => {
    while (asked[model] && !ended) await changed;
  };

  const draft = async () => {
    while (!ended) {
      follow(0);
      await models[0]!.step();
      change();
    }
  };
  const middle = async (model: number) => {
    while (!ended) {
      await isFollowed(model - 1);
      const verifies = isAhead(model);
      if (asked[model]) {
        follow(model);
        ask(model - 1);
        await isFollowed(model - 1);
      }
      if (verifies) {
        await models[model]!.verify(models[model - 1]!);
        ask(model - 1);
      } else await changed;
    }
  };
  const others = [draft(), ...models.slice(1, -1).map((_, i) => middle(i + 1))];
  const last = models.length - 1;
  while (models[last]!.length < length) {
    while (asked[last - 1] || !isAhead(last)) await changed;
    await models[last]!.verify(models[last - 1]!);
    ask(last - 1);
  }
  const ms = clock.now();
  ended = true;
  change();
  await Promise.all(others);
  return ms;
}
