import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { amusd } from "../../../src/spec/strategies/amusd.ts";
import { AdaptiveLaunch } from "../../../src/spec/schedule/adaptive-launch.ts";
import { type Clock, VirtualClock } from "../../../src/spec/clock.ts";
import { Estimates } from "../../../src/spec/schedule/estimates.ts";
import { ChainedLane } from "../../../src/spec/strategies/chained-lane.ts";
import { greedy } from "../../../src/spec/strategies/greedy.ts";
import { type Lane, LaneLostError, MAX_ROWS } from "../../../src/spec/lanes/lane.ts";
import {
  launchAsPublished,
  launchAtOnce,
  launchFixed,
  type LaunchRule,
} from "../../../src/spec/schedule/launch-rule.ts";
import { sd } from "../../../src/spec/strategies/sd.ts";
import { SimulatedLane } from "../../../src/spec/lanes/simulated-lane.ts";
import type { Strategy } from "../../../src/spec/strategies/strategy.ts";
import { summarize } from "../../../src/spec/trace/summary.ts";
import { cachedLength } from "../../../src/spec/trace/trace.ts";
import type { Operation } from "../../../src/spec/trace/trace-events.ts";
import { agreeingModel, collect, hash, hashModel, type Next, type Outcome, plainLoop } from "../simulated-run.ts";
import { WatchedLane } from "../lanes/watched-lane.ts";

const strategies: Record<string, Strategy> = { greedy, sd, amusd };

/** Numbers in a fixed order that look random. */
function randoms(seed: number): () => number {
  let count = 0;
  return () => hash([count++], seed) / 2 ** 32;
}

function draftModel(kind: string, share: number, verify: Next, vocabulary: number, seed: number): Next {
  if (kind === "same") return verify;
  if (kind === "wrong") return agreeingModel(verify, 0, vocabulary);
  if (kind === "agreeing") return agreeingModel(verify, share, vocabulary);
  const random = randoms(seed);
  return () => Math.floor(random() * vocabulary);
}

const ms = fc.constantFrom(0, 0.5, 1, 2, 3, 7);
const lane = fc.record({
  capacity: fc.integer({ min: 1, max: 70 }),
  stepsAhead: fc.integer({ min: 1, max: 3 }),
  prefillMs: ms,
  decodeMs: ms,
  verifyMs: ms,
  perRowMs: fc.constantFrom(0, 0.1, 1),
  latencyMs: fc.constantFrom(0, 0, 0.25, 4),
  jitter: fc.boolean(),
  branchCapacity: fc.constantFrom(0, 1, 3, 16),
});
/** A rule may remember: this one lets the draft go and stop in turns of `stretch` operations. */
function stopAndGo(stretch: number): LaunchRule {
  let operations = 0;
  return {
    ...launchAtOnce,
    holdDraft: () => Math.floor(operations / stretch) % 2 === 0,
    observe: () => void operations++,
  };
}
type RuleOf = (estimates: Estimates, clock: Clock) => LaunchRule;
const rule: fc.Arbitrary<RuleOf> = fc.oneof(
  { weight: 2, arbitrary: fc.constantFrom<RuleOf>(() => launchAtOnce, () => launchAsPublished, () => launchFixed(3)) },
  { weight: 2, arbitrary: fc.constant<RuleOf>((estimates, clock) => new AdaptiveLaunch(estimates, clock)) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 60 }).map((stretch) => () => stopAndGo(stretch)) },
  {
    weight: 1,
    arbitrary: fc.record({ least: fc.nat(8), behind: fc.nat(8), most: fc.nat(40), hold: fc.nat(20) }).map(
      (rule) => () => ({
        ...launchAtOnce,
        launchNow: ({ length }: readonly number[]) => length < rule.least ? null : Math.min(length, rule.most),
        holdDraft: (_: number, ahead: number) => ahead > rule.hold,
        queueNext: ({ length }: readonly number[], verifying: number) => {
          assert.ok(verifying <= length, `${verifying} of ${length} pending tokens are being verified`);
          return length < rule.behind ? null : Math.min(length, rule.most);
        },
      }),
    ),
  },
);
const scenario = fc.record({
  seed: fc.integer(),
  vocabulary: fc.constantFrom(2, 3, 50),
  prompt: fc.array(fc.nat(1), { minLength: 1, maxLength: 24 }),
  draftKind: fc.constantFrom("same", "wrong", "agreeing", "agreeing", "random"),
  share: fc.double({ min: 0, max: 1, noNaN: true }),
  verify: lane,
  draft: lane,
  /** The draft lane of the draft lane, where that is a chain's. */
  chained: fc.option(lane, { freq: 1 }),
  maxTokens: fc.oneof(fc.nat(3), fc.nat(50)),
  eosIds: fc.oneof(fc.constant([]), fc.array(fc.nat(49), { maxLength: 2 })),
  lookahead: fc.integer({ min: 1, max: MAX_ROWS - 1 }),
  launchRule: rule,
  hedge: fc.boolean(),
  lookUp: fc.boolean(),
  consumerMs: fc.constantFrom(0, 0, 5),
});
type LaneScenario = typeof lane extends fc.Arbitrary<infer T> ? T : never;
type Scenario = typeof scenario extends fc.Arbitrary<infer T> ? T : never;

/** How a run is disturbed; times in ms, messages counted from 0. */
interface Trouble {
  readonly stopAfter?: number;
  readonly abortAtMs?: number;
  readonly verifyLostAtMs?: number;
  readonly draftLostAtMs?: number;
  readonly verifyBreaksAt?: number;
  readonly draftBreaksAt?: number;
}

/** The prompt of a second turn on the same lanes: what was kept of the first, and more. */
const MORE = [1, 0, 1];

interface Run extends Outcome {
  readonly watched: { readonly verify: WatchedLane; readonly draft: WatchedLane };
  readonly aborted: boolean;
  /** What the verify lane's cache really holds when the run has ended. */
  readonly verifyText: readonly number[];
  readonly secondTurn: Outcome | undefined;
}

async function runScenario(strategy: Strategy, scenario: Scenario, trouble: Trouble, twoTurns = false): Promise<Run> {
  const { seed, vocabulary, prompt, consumerMs, maxTokens, eosIds, lookahead, hedge, lookUp } = scenario;
  const verifyNext = hashModel(seed, vocabulary);
  const draftNext = draftModel(scenario.draftKind, scenario.share, verifyNext, vocabulary, seed);
  const clock = new VirtualClock(100_000);
  let verifyText: readonly number[] = [];
  const make = (name: string, of: LaneScenario, next: Next, failAtMs: number | undefined) => {
    const { verifyMs, perRowMs, jitter, ...options } = of;
    const random = randoms(seed + name.length);
    return new SimulatedLane(clock, {
      ...options,
      name,
      next,
      confidence: (text) => hash(text, 5) / 2 ** 32,
      // Right where the first choice is wrong, half of the time.
      runnerUp: (text, chosen) => {
        const right = verifyNext(text);
        return chosen !== right && hash(text, 6) % 2 === 0 ? right : chosen + 1;
      },
      verifyMs: (rows) => verifyMs + rows * perRowMs,
      jitter: jitter ? () => 2 * random() : undefined,
      failAtMs,
    });
  };
  const verify = new WatchedLane(
    make("verify", scenario.verify, (text) => verifyNext(verifyText = text), trouble.verifyLostAtMs),
    trouble.verifyBreaksAt,
  );
  const drafting = (): Lane => {
    const { chained, draft } = scenario;
    if (!chained) return make("draft", draft, draftNext, trouble.draftLostAtMs);
    return new ChainedLane({
      name: "draft",
      middle: make("middle", draft, draftNext, trouble.draftLostAtMs),
      draft: make("draft", chained, agreeingModel(draftNext, scenario.share, vocabulary), undefined),
      estimates: new Estimates(),
      clock,
      warn: assert.unreachable,
    });
  };
  const draft = new WatchedLane(drafting(), trouble.draftBreaksAt);
  const abort = new AbortController();
  const estimates = new Estimates();
  const launchRule = scenario.launchRule(estimates, clock);
  const options = {
    verify,
    draft,
    maxTokens,
    eosIds,
    lookahead,
    estimates,
    launchRule,
    hedge,
    lookUp,
    signal: abort.signal,
  };

  return await clock.run(async () => {
    let sentAtAbort: number | undefined;
    const aborting = trouble.abortAtMs === undefined ? Promise.resolve() : clock.sleep(trouble.abortAtMs).then(() => {
      abort.abort();
      sentAtAbort = verify.sent + draft.sent;
    });
    let count = 0;
    const outcome = await collect(strategy, clock, prompt, options, async (batch) => {
      assert.not(abort.signal.aborted, "nothing is yielded after an abort");
      if (consumerMs > 0) await clock.sleep(consumerMs);
      count += batch.length;
      if (trouble.stopAfter !== undefined && count >= trouble.stopAfter) return "stop";
    });
    const aborted = abort.signal.aborted;
    assert.is(verify.inFlight, 0, "the verify lane is drained");
    assert.is(draft.inFlight, 0, "the draft lane is drained");
    assert.is(verify.sent + draft.sent, sentAtAbort ?? verify.sent + draft.sent, "nothing is sent after an abort");
    await aborting;
    const heldText = [...verifyText];

    let secondTurn: Outcome | undefined;
    if (twoTurns && outcome.error === undefined && !aborted) {
      // A stop string may cut the last batch short.
      const kept = [...prompt, ...outcome.tokens.slice(0, trouble.stopAfter)];
      const cached = {
        verify: cachedLength(outcome.events, "verify", kept),
        draft: cachedLength(outcome.events, "draft", kept),
      };
      const next = [...kept, ...MORE];
      if (next.length < verify.capacity) {
        secondTurn = await collect(strategy, clock, next, { ...options, cached });
      }
    }
    return { ...outcome, watched: { verify, draft }, aborted, verifyText: heldText, secondTurn };
  });
}

function lengthLimit({ prompt, maxTokens, verify }: Scenario): number {
  return Math.min(prompt.length + maxTokens, verify.capacity);
}

/** What the run would write undisturbed; undefined if the prompt doesn't fit. */
function expectedTokens(scenario: Scenario): number[] | undefined {
  const { seed, vocabulary, prompt, verify, eosIds } = scenario;
  if (prompt.length > verify.capacity) return undefined;
  return plainLoop(hashModel(seed, vocabulary), prompt, lengthLimit(scenario), eosIds);
}

/** What holds of every run, however it ended. */
function checkInvariants(scenario: Scenario, run: Run, expected: readonly number[]): void {
  const { prompt } = scenario;
  const { tokens, yielded, log, events } = run;
  assert.equal(tokens, expected.slice(0, tokens.length), "a beginning of the plain loop's text");
  assert.equal(yielded.map(({ position }) => position), yielded.map((_, i) => prompt.length + i), "each position once");
  assert.equal(log.committed, [...prompt, ...tokens], "all that is committed is yielded");
  assert.equal(
    events.filter((event) => event.kind === "commit").flatMap((commit) => commit.tokens),
    yielded,
    "the trace tells the same",
  );

  const summary = summarize(events);
  assert.is(summary.tokens, tokens.length);
  assert.ok(summary.wastedDrafts >= 0 && summary.accepted <= summary.drafted);
  assert.is(summary.accepted, yielded.filter(({ origin }) => origin === "accepted").length);
  for (const { busyMs, idleMs } of summary.lanes) assert.ok(busyMs >= 0 && idleMs > -1e-9, `${busyMs} ${idleMs}`);
  const operations = events.filter((event): event is Operation => event.kind === "operation");
  const commits = operations.filter(({ lane, operation, stale }) =>
    lane === "verify" && operation !== "prefill" && !stale
  );
  assert.is(commits.length, summary.verifications);
  for (const { position, tokens, chosen, accepted } of commits) {
    assert.equal(log.committed.slice(position, position + accepted! + 1), tokens.slice(0, accepted! + 1));
    assert.ok(chosen.length === tokens.length);
  }
}

const check = (
  title: string,
  runs: number,
  trouble: fc.Arbitrary<Trouble>,
  body: (
    strategy: Strategy,
    scenario: Scenario,
    trouble: Trouble,
    expected: readonly number[],
  ) => Promise<void>,
) => {
  for (const [name, strategy] of Object.entries(strategies)) {
    test(`${name}: ${title}`, () =>
      fc.assert(
        fc.asyncProperty(scenario, trouble, async (scenario, trouble) => {
          const expected = expectedTokens(scenario);
          if (expected) return body(strategy, scenario, trouble, expected);
          const { error, events } = await runScenario(strategy, scenario, trouble);
          assert.instance(error, RangeError);
          assert.equal(events, []);
        }),
        { numRuns: name === "greedy" ? runs / 4 : runs, includeErrorInReport: true },
      ));
  }
};

check("writes the plain loop's text", 3000, fc.constant({}), async (strategy, scenario, trouble, expected) => {
  const run = await runScenario(strategy, scenario, trouble);
  if (run.error) throw run.error;
  checkInvariants(scenario, run, expected);
  assert.equal(run.tokens, expected);
  assert.equal(run.warnings, []);
});

check(
  "goes on in a second turn on the caches of the first, wherever the consumer stopped",
  1000,
  fc.record({ stopAfter: fc.oneof(fc.constant(undefined), fc.integer({ min: 1, max: 20 })) }),
  async (strategy, scenario, trouble, expected) => {
    const run = await runScenario(strategy, scenario, trouble, true);
    if (run.error) throw run.error;
    checkInvariants(scenario, run, expected);
    const { prompt, seed, vocabulary, eosIds, maxTokens, verify } = scenario;
    const kept = [...prompt, ...run.tokens.slice(0, trouble.stopAfter)];
    assert.equal(run.tokens.slice(0, trouble.stopAfter), expected.slice(0, trouble.stopAfter));

    const cached = cachedLength(run.events, "verify", kept);
    if (run.tokens.length > 0) {
      assert.is(cached, kept.length - 1, "the same for all strategies");
      assert.equal(run.verifyText.slice(0, cached), kept.slice(0, cached), "what the trace says, the cache holds");
    }
    if (!run.secondTurn) return;
    if (run.secondTurn.error) throw run.secondTurn.error;
    const next = [...kept, ...MORE];
    const length = Math.min(next.length + maxTokens, verify.capacity);
    assert.equal(run.secondTurn.tokens, plainLoop(hashModel(seed, vocabulary), next, length, eosIds));
  },
);

check(
  "ends in order when it is aborted",
  600,
  fc.record({ abortAtMs: fc.nat(120).map((ms) => ms / 2) }),
  async (strategy, scenario, trouble, expected) => {
    const run = await runScenario(strategy, scenario, trouble);
    if (run.error) throw run.error;
    checkInvariants(scenario, run, expected);
    if (!run.aborted) assert.equal(run.tokens, expected);
  },
);

check(
  "keeps the text so far when the verify device is lost",
  600,
  fc.record({ verifyLostAtMs: fc.nat(120).map((ms) => ms / 2) }),
  async (strategy, scenario, trouble, expected) => {
    const run = await runScenario(strategy, scenario, trouble);
    checkInvariants(scenario, run, expected);
    if (run.error) assert.ok(run.error instanceof LaneLostError && run.error.lane === "verify", String(run.error));
    else assert.equal(run.tokens, expected);
    assert.equal(run.warnings, []);
  },
);

check(
  "goes on without the draft device when that is lost, with one warning",
  600,
  fc.record({ draftLostAtMs: fc.nat(120).map((ms) => ms / 2) }),
  async (strategy, scenario, trouble, expected) => {
    const run = await runScenario(strategy, scenario, trouble);
    if (run.error) throw run.error;
    checkInvariants(scenario, run, expected);
    assert.equal(run.tokens, expected);
    assert.ok(run.warnings.length <= 1, run.warnings.join());
    for (const warning of run.warnings) {
      assert.match(warning, /^The (draft|middle) device was lost: .*; going on without it$/);
    }
  },
);

check(
  "throws any other error of a lane, at whatever message, and with whatever else",
  1200,
  fc.record({
    verifyBreaksAt: fc.option(fc.nat(30), { nil: undefined }),
    draftBreaksAt: fc.option(fc.nat(30), { nil: undefined }),
    stopAfter: fc.option(fc.nat(30), { nil: undefined }),
    abortAtMs: fc.option(fc.nat(60), { nil: undefined }),
  }),
  async (strategy, scenario, trouble, expected) => {
    const run = await runScenario(strategy, scenario, trouble);
    checkInvariants(scenario, run, expected);
    const { verify, draft } = run.watched;
    const errors = [verify, draft].filter(({ broke }) => broke).map(({ name }) => `broken ${name}`);
    if (errors.length === 0) {
      if (run.error) throw run.error;
      if (!run.aborted && trouble.stopAfter === undefined) assert.equal(run.tokens, expected);
    } else {
      assert.ok(run.error instanceof Error && errors.includes(run.error.message), String(run.error));
    }
  },
);

test.run();
