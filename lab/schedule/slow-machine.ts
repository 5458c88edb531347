/**
 * amusd over many texts on a machine that others share: simulated with the acceptance and times of benchmark results, one engine for all texts in random order.
 * `deno run -A lab/schedule/slow-machine.ts [--slow FACTOR] [--stretch MS] [--every MS] [--strain SHARE] [--tokens N] RESULTS.json ...`
 *
 * All work takes FACTOR times as long in stretches of up to MS, up to `every` apart. Beside a busy draft lane a third of the verifications takes
 * longer, by SHARE. Printed for each file: speed-up over greedy in the same stretches; the least text's; the first and fifth percentile of the samples.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { randomOf } from "../../src/util/random.ts";
import { recordedTimes, tracesOf } from "../../src/plan/recorded.ts";
import type { LaneTimes } from "../../src/plan/simulate.ts";
import { type Acceptance, recordedAcceptance, simulatedPair } from "../../src/plan/simulated-pair.ts";
import { amusd } from "../../src/spec/strategies/amusd.ts";
import { AdaptiveLaunch } from "../../src/spec/schedule/adaptive-launch.ts";
import { calibrate } from "../../src/spec/schedule/calibrate.ts";
import { VirtualClock } from "../../src/spec/clock.ts";
import { Estimates } from "../../src/spec/schedule/estimates.ts";
import { MAX_ROWS } from "../../src/spec/lanes/lane.ts";
import { SimulatedLane } from "../../src/spec/lanes/simulated-lane.ts";
import { TokenLog } from "../../src/spec/token-log.ts";
import { Trace } from "../../src/spec/trace/trace.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    slow: { type: "string", default: "1.4" },
    stretch: { type: "string", default: "1000" },
    every: { type: "string", default: "3000" },
    strain: { type: "string", default: "0.3" },
    tokens: { type: "string", default: "64" },
    engines: { type: "string", default: "40" },
  },
});
const [slow, stretch, every, strain, tokens, engines] = [
  values.slow,
  values.stretch,
  values.every,
  values.strain,
  values.tokens,
  values.engines,
].map(Number) as [number, number, number, number, number, number];
/** Of the embedded pair's lanes on two cores (docs/performance.md), in ms. */
const LATENCY_MS = { verify: 1.05, draft: 0.75 };
const PROMPT = [1, 2, 3];

/** A clock of a machine that is slow in these stretches of time. */
class SharedClock extends VirtualClock {
  constructor(readonly stretches: readonly (readonly [from: number, to: number])[]) {
    super(Infinity);
  }

  override sleep(ms: number): Promise<void> {
    return super.sleep(this.end(this.now(), ms) - this.now());
  }

  /** When work of `ms` that begins at `from` ends. */
  end(from: number, ms: number): number {
    for (const [begin, end] of this.stretches) {
      if (end <= from) continue;
      const before = Math.max(0, begin - from);
      if (ms <= before) break;
      ms -= before;
      from = Math.max(from, begin);
      const within = (end - from) / slow;
      if (ms <= within) return from + ms * slow;
      ms -= within;
      from = end;
    }
    return from + ms;
  }
}

interface Text {
  readonly file: string;
  readonly acceptance: Acceptance;
  readonly verify: LaneTimes;
  readonly draft: LaneTimes;
}

const texts = positionals.flatMap((file): Text[] => {
  const { runs } = JSON.parse(readFileSync(file, "utf8")) as {
    runs: { id: string; turn: number; strategy: string; events: never }[];
  };
  const ofAmusd = runs.filter(({ strategy }) => strategy === "amusd");
  const hardware = recordedTimes(tracesOf({ runs: ofAmusd }, file), file);
  return ofAmusd.flatMap(({ id, turn }) => {
    const same = runs.filter((run) => run.id === id && run.turn === turn && run.strategy !== "greedy");
    try {
      return [{ file, acceptance: recordedAcceptance(tracesOf({ runs: same }, file), file), ...hardware }];
    } catch {
      return []; // Too short to tell of its drafts.
    }
  });
});
const gains = texts.map((): number[] => []);
for (let engine = 1; engine <= engines; engine++) {
  const random = randomOf(engine);
  const stretches: [number, number][] = [];
  for (let at = 0; slow > 1 && at < texts.length * tokens * 50;) {
    const from = at + random() * every;
    at = from + stretch / 10 + random() * stretch * 0.9;
    stretches.push([from, at]);
  }
  const clock = new SharedClock(stretches);
  const estimates = new Estimates();
  const launchRule = new AdaptiveLaunch(estimates, clock);
  const order = texts.map((_, i) => ({ i, at: random() })).sort((a, b) => a.at - b.at).map(({ i }) => i);
  await clock.run(async () => {
    for (const i of order) {
      const { acceptance, ...times } = texts[i]!;
      const pair = simulatedPair(acceptance, engine * texts.length + i, PROMPT.length);
      // The times were recorded with both lanes at work.
      const aloneMs = times.verify.passMs.map((ms) => ms / (1 + strain / 3));
      let drafting = 0;
      const common = { capacity: PROMPT.length + tokens + 1, prefillMs: 0 };
      const verify = new SimulatedLane(clock, {
        ...common,
        name: "verify",
        next: pair.verify,
        decodeMs: aloneMs[1]!,
        verifyMs: (rows) => aloneMs[rows]! * (drafting > 0 && random() < 1 / 3 ? 1 + strain : 1),
        latencyMs: LATENCY_MS.verify,
        stepsAhead: 2,
      });
      class DraftLane extends SimulatedLane {
        override async decode(...step: Parameters<SimulatedLane["decode"]>) {
          drafting++;
          return await super.decode(...step).finally(() => drafting--);
        }
      }
      const draft = new DraftLane(clock, {
        ...common,
        name: "draft",
        next: pair.draft,
        decodeMs: times.draft.passMs[1]!,
        verifyMs: (rows) => times.draft.passMs[rows]!,
        latencyMs: LATENCY_MS.draft,
        stepsAhead: 1,
        confidence: pair.confidence,
        second: pair.second,
        branchCapacity: MAX_ROWS,
      });
      if (i === order[0]) await calibrate(verify, draft, estimates.costs, clock);
      const log = new TokenLog(PROMPT);
      let [firstMs, first] = [NaN, 0];
      const batches = amusd({
        log,
        verify,
        draft,
        maxNewTokens: tokens,
        eosIds: [],
        lookahead: 5,
        estimates,
        launchRule,
        hedge: true,
        trace: new Trace(clock, false),
        warn: () => {},
      });
      for await (const batch of batches) {
        if (first > 0) continue;
        [firstMs, first] = [clock.now(), batch.length];
      }
      let greedyMs = firstMs;
      for (let token = first; token < tokens; token++) greedyMs = clock.end(greedyMs, aloneMs[1]!);
      gains[i]!.push((greedyMs - firstMs) / (clock.now() - firstMs));
    }
  });
}

const mean = (ratios: readonly number[]) =>
  Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length);
for (const file of positionals) {
  const ofFile = gains.filter((_, i) => texts[i]!.file === file);
  const all = ofFile.flat().sort((a, b) => a - b);
  const figures = [
    mean(all),
    Math.min(...ofFile.map(mean)),
    ...[0.01, 0.05].map((share) => all[Math.floor(share * all.length)]!),
  ];
  console.log(`${path.basename(file)}: ${figures.map((figure) => figure.toFixed(3)).join("  ")}`);
}
if (positionals.length === 0) {
  console.error("Cannot simulate: no results given; name what `amusd benchmark --output-file` wrote");
  process.exitCode = 2;
}
