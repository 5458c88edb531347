import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { HEDGED, simulateRun } from "../../../src/plan/simulate.ts";
import { betaAcceptance } from "../../../src/plan/simulated-pair.ts";
import { type Clock, VirtualClock } from "../../../src/spec/clock.ts";
import { LaneLostError, type LaneResult, type SavedText } from "../../../src/spec/lanes/lane.ts";
import { SimulatedLane, type SimulatedLaneOptions } from "../../../src/spec/lanes/simulated-lane.ts";
import { ALL_ROWS } from "../../../src/spec/schedule/costs.ts";
import { Estimates } from "../../../src/spec/schedule/estimates.ts";
import { ChainedLane } from "../../../src/spec/strategies/chained-lane.ts";
import { laneContract } from "../lanes/lane-contract.ts";
import { agreeingModel, hash, hashModel, laneOptions, type Next } from "../simulated-run.ts";

type LaneOptions = Partial<SimulatedLaneOptions>;

const SOME = 1000;

/** A lane of two simulated ones; the draft is right in that share of the texts. */
function chainedLane(
  clock: Clock,
  share: number,
  { vocabulary = SOME, middle = {}, draft = {}, warn = assert.unreachable as (message: string) => void } = {} as {
    vocabulary?: number;
    middle?: LaneOptions;
    draft?: LaneOptions;
    warn?: (message: string) => void;
  },
): ChainedLane {
  const next = hashModel(1, vocabulary);
  return new ChainedLane({
    name: "chained",
    middle: new SimulatedLane(clock, laneOptions("middle", next, middle)),
    draft: new SimulatedLane(clock, laneOptions("draft", agreeingModel(next, share, vocabulary), draft)),
    estimates: new Estimates(),
    clock,
    warn,
  });
}

for (const share of [0, 0.7, 1]) {
  const next = hashModel(1, SOME);
  laneContract(`chained, with drafts of which ${share} are right`, {
    tokens: Array.from({ length: 24 }, (_, i) => next([i])),
    onlyDrafts: true,
    withLane: (body) => {
      const clock = new VirtualClock();
      return clock.run(async () => {
        const lane = chainedLane(clock, share);
        await body(lane);
        await lane.drain();
      });
    },
  });
}

laneContract("a chain as the draft lane of a chain", {
  tokens: Array.from({ length: 24 }, (_, i) => hashModel(1, SOME)([i])),
  onlyDrafts: true,
  withLane: (body) => {
    const clock = new VirtualClock();
    return clock.run(async () => {
      const middle = new SimulatedLane(clock, laneOptions("middle", hashModel(1, SOME)));
      const [estimates, warn] = [new Estimates(), assert.unreachable as (message: string) => void];
      const lane = new ChainedLane({ name: "four", middle, draft: chainedLane(clock, 0.7), estimates, clock, warn });
      await body(lane);
      await lane.drain();
    });
  },
});

const ms = fc.constantFrom(0, 0.5, 2, 7);
const timing = fc.record({
  decodeMs: ms,
  prefillMs: ms,
  passMs: ms,
  latencyMs: fc.constantFrom(0, 0, 1),
  stepsAhead: fc.constantFrom(1, 2),
  branchCapacity: fc.constantFrom(0, 4),
});
const message = fc.record({
  kind: fc.constantFrom(...["prefill", "verify", "decode", "on", "on", "save", "restore"] as const),
  /** How far below the text's end it begins. */
  back: fc.oneof(fc.constant(0), fc.nat(6)),
  /** Whether it feeds what the model itself would choose there. */
  follows: fc.boolean(),
  count: fc.integer({ min: 1, max: 4 }),
  isAwaited: fc.boolean(),
  pauseMs: fc.constantFrom(0, 0, 0, 1, 9),
});

test("answers as its middle lane would, whatever is sent and when, but for what is cut off", () =>
  fc.assert(
    fc.asyncProperty(
      fc.record({
        middle: timing,
        draft: timing,
        share: fc.constantFrom(0, 0.6, 1),
        vocabulary: fc.constantFrom(2, 50),
      }),
      fc.array(message, { minLength: 3, maxLength: 30, size: "max" }),
      async ({ middle, draft, share, vocabulary }, messages) => {
        const next = hashModel(1, vocabulary);
        const clock = new VirtualClock(100_000);
        const options = ({ passMs, ...options }: typeof middle) => ({ ...options, verifyMs: () => passMs });
        const lane = chainedLane(clock, share, { vocabulary, middle: options(middle), draft: options(draft) });
        await clock.run(async () => {
          const text: number[] = [];
          /** The answers that are not awaited yet: the first choice's position, and what is wanted. */
          const open: { at: number; wanted: number[]; cutAt: number; answer: Promise<LaneResult> }[] = [];
          let chooses = false;
          let saved: { text: readonly number[]; made: Promise<SavedText | null> } | undefined;
          const check = async () => {
            for (const { at, wanted, cutAt, answer } of open.splice(0)) {
              const known = wanted.filter((_, i) => at + i < cutAt);
              assert.equal((await answer).tokens.slice(0, known.length), known);
            }
          };
          for (const [i, { kind, back, follows, count, isAwaited, pauseMs }] of messages.entries()) {
            if (kind === "save") {
              if (text.length > 0) saved = { text: [...text], made: lane.save(text.length) };
              continue;
            }
            if (kind === "restore") {
              const made = await saved?.made;
              if (!made) continue;
              text.splice(0, Infinity, ...saved!.text.slice(0, Math.max(1, made.length - back)));
              for (const answer of open) answer.cutAt = 0;
              open.push({ at: 0, wanted: [], cutAt: 0, answer: made.restore(text.length) });
              chooses = false;
              continue;
            }
            const goesOn = kind === "on" && chooses;
            const at = goesOn ? text.length : Math.max(0, text.length - back);
            if (at < text.length) { for (const answer of open) answer.cutAt = Math.min(answer.cutAt, at); }
            text.length = at;
            const wanted: number[] = [];
            const fed: number[] = [];
            const decodes = kind === "decode" || kind === "on";
            for (let step = 0; step < count; step++) {
              const own = text.length > 0 ? next(text) : 0;
              fed.push(follows || goesOn || (decodes && step > 0) ? own : hash([i, step], 9) % vocabulary);
              text.push(fed.at(-1)!);
              wanted.push(next(text));
            }
            const answer = decodes ? lane.decode(goesOn ? null : fed[0]!, at, count) : lane[kind](fed, at);
            chooses = kind !== "prefill";
            open.push({ at: at + 1, wanted: chooses ? wanted : [], cutAt: Infinity, answer });
            if (isAwaited) await check();
            await clock.sleep(pauseMs);
          }
          await check();
          await lane.close();
        });
      },
    ),
    { numRuns: 1000 },
  ));

test("goes on without a draft lane that is lost, with one warning, and is lost with its middle lane", async () => {
  const next = hashModel(1, SOME);
  for (const failAtMs of [0, 0.5, 5, 21, 40]) {
    const clock = new VirtualClock(10_000);
    const warnings: string[] = [];
    const lane = chainedLane(clock, 0.7, { draft: { failAtMs }, warn: (message) => warnings.push(message) });
    await clock.run(async () => {
      const text = [1, 2, 3];
      await lane.prefill(text, 0);
      for (const token of [7, 8, 9]) {
        text.push(token);
        const { tokens } = await lane.decode(token, text.length - 1, 6);
        for (const [i, chosen] of tokens.entries()) assert.is(chosen, next([...text, ...tokens.slice(0, i)]));
      }
      await lane.close();
    });
    assert.is(warnings.length, 1, `lost at ${failAtMs} ms`);
    assert.match(warnings[0]!, /^The draft device was lost: .*; going on without it$/);
  }
  const clock = new VirtualClock(10_000);
  const lane = chainedLane(clock, 0.7, { middle: { failAtMs: 20 } });
  await clock.run(async () => {
    await lane.prefill([1, 2, 3], 0);
    const lost = (error: unknown) => error instanceof LaneLostError && error.lane === "middle";
    for (let i = 0; i < 2; i++) {
      const error = await lane.decode(7, 3, 6).catch((error: unknown) => error);
      assert.ok(lost(error), String(error));
    }
    await lane.close();
  });
});

test("a chain gains by either of its models, and is about as fast as the verify lane by useless ones", async () => {
  const lane = (ms: number) => ({
    passMs: [0, ...ALL_ROWS].map((n) => ms * (0.9 + n / 10)),
    prefillMs: 0,
    latencyMs: 0,
  });
  const hardware = { verify: lane(20), middle: lane(6), draft: lane(2) };
  for (const [middle, draft, least] of [[0.1, 0.1, 0.98], [0.9, 0.01, 2], [0.8, 0.5, 1.7]] as const) {
    const [drafts, middles] = [betaAcceptance(draft), betaAcceptance(middle, { seed: 2 })];
    const { summary } = await simulateRun(HEDGED, hardware, drafts, 1000, 1, false, middles);
    const speedup = 20 / summary.msPerToken!;
    assert.ok(speedup > least, `${speedup} with ${middle} and ${draft}`);
  }
});

test("what it has written ahead counts for nothing once it is to choose otherwise", async () => {
  const clock = new VirtualClock(10_000);
  let seed = 1;
  const next: Next = (text) => hashModel(seed, SOME)(text);
  const [middle, draft] = ["middle", "draft"].map((name) => new SimulatedLane(clock, laneOptions(name, next)));
  middle!.sample = () => seed = 2;
  const options = { name: "chained", middle: middle!, draft: draft!, estimates: new Estimates(), clock };
  const lane = new ChainedLane({ ...options, warn: assert.unreachable as (message: string) => void });
  await clock.run(async () => {
    await lane.prefill([1, 2], 0);
    const [first] = (await lane.decode(3, 2, 1)).tokens;
    await clock.sleep(100);
    lane.sample(null);
    assert.equal((await lane.decode(null, 3, 1)).tokens, [hashModel(2, SOME)([1, 2, 3, first!])]);
    await lane.close();
  });
});

test("a step's time is its part of its batch's, and shorter than the middle lane's own", async () => {
  const clock = new VirtualClock(100_000);
  const lane = chainedLane(clock, 0.9);
  await clock.run(async () => {
    await lane.prefill([1], 0);
    let [busyMs, token] = [0, 2];
    const beganMs = clock.now();
    for (let position = 1; position <= 300; position++) {
      const { tokens, startMs, endMs } = await lane.decode(token, position, 1);
      busyMs += endMs - startMs;
      token = tokens[0]!;
    }
    const tookMs = clock.now() - beganMs;
    assert.ok(tookMs < 300 * 10 / 1.5, `${tookMs} ms, the middle lane alone 3000`);
    assert.ok(busyMs > 0.95 * tookMs && busyMs < 1.05 * tookMs, `${busyMs} ms of ${tookMs}`);
    await lane.close();
  });
});

test.run();
