/**
 * amusd over many texts on a machine that others share: simulated with the acceptance and times of benchmark results,
 * one engine for all texts in random order. Usage:
 *
 *     deno run -A lab/schedule/slow-machine.ts [--slow FACTOR] [--stretch MS] [--every MS] [--contention SHARE]
 *       [--tokens N] [--engines N] RESULTS.json ...
 *
 * All work takes FACTOR times as long in stretches of up to MS, up to `every` apart. Beside a busy draft lane a third
 * of the verifications takes longer, by SHARE. For each file it prints the speed-up over greedy in the same stretches,
 * the least text's, and the first and fifth percentile of the samples.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { randomOf } from "../../src/util/random.ts";
import { recordedTimes, tracesOf } from "../../src/plan/recorded.ts";
import { HEDGED, laneOptionsOf, PROMPT, simulate, type SimulatedHardware } from "../../src/plan/simulate.ts";
import { type Acceptance, recordedAcceptance, simulatedPair } from "../../src/plan/simulated-pair.ts";
import { VirtualClock } from "../../src/spec/clock.ts";
import { SimulatedLane } from "../../src/spec/lanes/simulated-lane.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    slow: { type: "string", default: "1.4" },
    stretch: { type: "string", default: "1000" },
    every: { type: "string", default: "3000" },
    contention: { type: "string", default: "0.3" },
    tokens: { type: "string", default: "64" },
    engines: { type: "string", default: "40" },
  },
});
const [slow, stretch, every, contention, tokens, engines] = [
  values.slow,
  values.stretch,
  values.every,
  values.contention,
  values.tokens,
  values.engines,
].map(Number) as [number, number, number, number, number, number];
/**
 * The time from a device's end to the host's knowing, in ms, of the embedded pair's lanes on two cores
 * (docs/performance.md).
 */
const LATENCY_MS = { verify: 1.05, draft: 0.75 };

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

/** A recorded text, and the lanes as they are while the other one does nothing. */
interface Text {
  readonly file: string;
  readonly acceptance: Acceptance;
  readonly hardware: SimulatedHardware;
}

const texts = positionals.flatMap((file): Text[] => {
  const { runs } = JSON.parse(readFileSync(file, "utf8")) as {
    runs: { id: string; turn: number; strategy: string; events: never }[];
  };
  const ofAmusd = runs.filter(({ strategy }) => strategy === "amusd");
  const { verify, draft } = recordedTimes(tracesOf({ runs: ofAmusd }, file), file);
  // The times were recorded with both lanes at work.
  const aloneMs = verify.passMs.map((ms) => ms / (1 + contention / 3));
  const hardware: SimulatedHardware = {
    verify: { ...verify, passMs: aloneMs, prefillMs: 0, latencyMs: LATENCY_MS.verify, stepsAhead: 2 },
    draft: { ...draft, prefillMs: 0, latencyMs: LATENCY_MS.draft, stepsAhead: 1 },
  };
  return ofAmusd.flatMap(({ id, turn }) => {
    const same = runs.filter((run) => run.id === id && run.turn === turn && run.strategy !== "greedy");
    try {
      return [{ file, acceptance: recordedAcceptance(tracesOf({ runs: same }, file), file), hardware }];
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
  const order = texts.map((_, i) => ({ i, at: random() })).sort((a, b) => a.at - b.at).map(({ i }) => i);
  const written = await simulate({
    setting: HEDGED,
    clock,
    texts: order.length,
    tokens,
    lanes: (_, text) => {
      const i = order[text]!;
      const pair = simulatedPair(texts[i]!.acceptance, engine * texts.length + i, PROMPT.length);
      const { verify, draft } = laneOptionsOf(texts[i]!.hardware, pair, PROMPT.length + tokens + 1);
      let drafting = 0;
      const verifyMs = (rows: number) =>
        verify.verifyMs(rows) * (drafting > 0 && random() < 1 / 3 ? 1 + contention : 1);
      class DraftLane extends SimulatedLane {
        override async decode(...step: Parameters<SimulatedLane["decode"]>) {
          drafting++;
          return await super.decode(...step).finally(() => drafting--);
        }
      }
      return { verify: new SimulatedLane(clock, { ...verify, verifyMs }), draft: new DraftLane(clock, draft) };
    },
  });
  for (const [text, { trace, startMs, endMs }] of written.entries()) {
    const i = order[text]!;
    const firstMs = startMs + trace.summary.ttftMs!;
    let greedyMs = firstMs;
    for (let token = 1; token < tokens; token++) greedyMs = clock.end(greedyMs, texts[i]!.hardware.verify.passMs[1]!);
    gains[i]!.push((greedyMs - firstMs) / (endMs - firstMs));
  }
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
