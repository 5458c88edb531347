import type { Lane, LaneResult } from "../../src/spec/lanes/lane.ts";
import type { Sampling } from "../../src/util/sampling.ts";

/**
 * A real lane whose answers are another's: each message goes to both, the device's times count, and what is chosen is
 * told by `text`, a simulated lane. So a schedule runs on real devices with an acceptance that is played in, whatever
 * the weights are. Where the two would feed different tokens, the real one feeds its own: that takes the same time.
 */
export class PlayedLane implements Lane {
  readonly name: string;
  readonly capacity: number;
  readonly stepsAhead: number;
  readonly branchCapacity: number;
  readonly #device: Lane;
  readonly #text: Lane;

  constructor(device: Lane, text: Lane) {
    this.name = device.name;
    this.capacity = Math.min(device.capacity, text.capacity);
    this.stepsAhead = device.stepsAhead;
    this.branchCapacity = device.branchCapacity;
    this.#device = device;
    this.#text = text;
  }

  sample(sampling: Sampling | null): void {
    this.#device.sample(sampling);
  }

  prefill(tokens: readonly number[], position: number, onFed?: (count: number) => void): Promise<LaneResult> {
    return this.#both((lane) => lane.prefill(tokens, position, lane === this.#device ? onFed : undefined));
  }

  verify(tokens: readonly number[], position: number): Promise<LaneResult> {
    return this.#both((lane) => lane.verify(tokens, position));
  }

  verifyNext(drafted: readonly number[], position: number): Promise<LaneResult> {
    return this.#both((lane) => lane.verifyNext(drafted, position));
  }

  decode(token: number | null, position: number, steps: number, fork?: number): Promise<LaneResult> {
    return this.#both((lane) => lane.decode(token, position, steps, fork));
  }

  keep(fork: number, count: number): Promise<LaneResult> {
    return this.#both((lane) => lane.keep(fork, count));
  }

  /** Nothing is saved: what is played is one text. */
  save(): Promise<null> {
    return Promise.resolve(null);
  }

  async drain(): Promise<void> {
    await Promise.all([this.#device.drain(), this.#text.drain()]);
  }

  async close(): Promise<void> {
    await Promise.all([this.#device.close(), this.#text.close()]);
  }

  async #both(send: (lane: Lane) => Promise<LaneResult>): Promise<LaneResult> {
    const [{ startMs, endMs }, { tokens, confidences, runnersUp }] = await Promise.all([
      send(this.#device),
      send(this.#text),
    ]);
    return { tokens, confidences, runnersUp, startMs, endMs };
  }
}
