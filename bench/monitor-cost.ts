// How much slower the program is while it watches its devices: greedy of the embedded verify model on one llvmpipe
// thread, with the monitor and without, in turn; and the CPU time of one sample by itself.

import process from "node:process";
import { laneThreads, processSource } from "../src/benchmark/monitor/cpu.ts";
import { INTERVAL_MS, Monitor } from "../src/benchmark/monitor/monitor.ts";
import { load } from "../mod.ts";
import { ADAPTER, assertOracle, type BenchOptions, MODEL_PATHS, progress, readGoldens } from "./fixture.ts";
import { ratio, rotate, show, type Spread, spread } from "./rounds.ts";

const PROMPT = "HumanEval/0";
/** This many rounds are run for each that is asked for: single rounds differ by more than the cost that is sought. */
const REPEATS = 4;
/** Samples taken in a row to time one. */
const LONE_SAMPLES = 2000;

export interface MonitorCost {
  readonly msPerToken: Spread;
  readonly monitoredMsPerToken: Spread;
  /** ms/token with the monitor over ms/token without, round by round. */
  readonly cost: Spread;
  /** CPU time of one sample, in ms. */
  readonly sampleMs: number;
  /** The share of one core that samples take at the monitor's interval. */
  readonly sampleShare: number;
}

export async function monitorCost({ runs, quick }: BenchOptions): Promise<MonitorCost> {
  progress("monitor-cost: loading");
  const golden = (await readGoldens("verify")).get(PROMPT)!;
  const maxTokens = quick ? 24 : 64;
  const engine = await load({
    verify: MODEL_PATHS.verify,
    verifyDevice: ADAPTER,
    context: golden.promptTokens.length + maxTokens,
  });
  const cpu = processSource(laneThreads(1), performance.now());
  const watcher = await Monitor.open([{ name: "verify", adapter: engine.adapters.verify! }], { cpu });
  const generate = async () => {
    const { tokens, record } = await engine.generate(golden.promptTokens, { strategy: "greedy", maxTokens });
    assertOracle("greedy", golden, tokens);
    return record.msPerToken!;
  };
  const times: Record<"without" | "with", number[]> = { without: [], with: [] };
  try {
    await generate();
    for (let round = 0; round < REPEATS * runs; round++) {
      progress(`monitor-cost: round ${round + 1} of ${REPEATS * runs}`);
      await rotate(round, [
        async () => void times.without.push(await generate()),
        async () => {
          const stop = watcher.watch();
          times.with.push(await generate());
          await stop();
        },
      ]);
    }
    progress("");
    const before = process.cpuUsage();
    for (let i = 0; i < LONE_SAMPLES; i++) await watcher.sample();
    const { user, system } = process.cpuUsage(before);
    const sampleMs = (user + system) / 1000 / LONE_SAMPLES;
    const figures = {
      msPerToken: spread(times.without),
      monitoredMsPerToken: spread(times.with),
      cost: ratio(times.with, times.without),
      sampleMs,
      sampleShare: sampleMs / INTERVAL_MS,
    };
    console.log(
      `\nmonitor-cost: a sample each ${INTERVAL_MS} ms; ms/token ${show(figures.monitoredMsPerToken, 2)}, ` +
        `without ${show(figures.msPerToken, 2)}, ratio ${show(figures.cost, 3)}\n` +
        `  a sample takes ${sampleMs.toFixed(3)} ms of CPU time, ${(100 * figures.sampleShare).toFixed(3)} % of a core`,
    );
    return figures;
  } finally {
    watcher.close();
    await engine.close();
  }
}
