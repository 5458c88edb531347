// Do two models on two devices overlap in one process as well as in two? Measured by the wall time of the same fixed
// work: decode steps after the prompt that openBenchModel left in the cache. Loading is not timed.
//
// The file is its own worker: `overlap.ts verify|draft` loads the model, says so, and then decodes as many steps as
// each line of its stdin says.

import { fileURLToPath } from "node:url";
import { assertSame, type BenchModel, type BenchOptions, decode, type Decoded, type ModelName } from "./fixture.ts";
import { openBenchModel, progress, readGoldens } from "./fixture.ts";
import { LineProcess, lines } from "./line-process.ts";
import { ratio, rotate, show, type Spread, spread } from "./rounds.ts";

export interface OverlapFigures {
  readonly steps: Readonly<Record<ModelName, number>>;
  /** Wall times, in ms. */
  readonly verifyAlone: Spread;
  readonly draftAlone: Spread;
  readonly oneProcess: Spread;
  readonly twoProcesses: Spread;
  /** Time of both at once over that of the longer one alone, by processes. */
  readonly oneToAlone: Spread;
  readonly twoToAlone: Spread;
  /** At most 1.1 is wanted. */
  readonly oneToTwo: Spread;
}

const CAPACITY = 512;

/** Decode steps of a model: equal work each time the function is called. */
async function workOf({ name, llama }: BenchModel): Promise<(steps: number) => Promise<Decoded>> {
  const { promptTokens } = (await readGoldens(name)).get("HumanEval/0")!;
  const last = promptTokens.length - 1;
  return (steps) => decode(llama, promptTokens[last]!, last, steps);
}

export async function overlap({ runs, quick }: BenchOptions): Promise<OverlapFigures> {
  progress("overlap: loading");
  const path = fileURLToPath(import.meta.url);
  const worker = (name: ModelName) => new LineProcess<number, Decoded>(Deno.execPath(), ["run", "-A", path, name]);
  const models: BenchModel[] = [];
  const workers: LineProcess<number, Decoded>[] = [];
  try {
    // One model is loaded at a time, since there are two cores only.
    for (const name of ["verify", "draft"] as const) {
      models.push(await openBenchModel(name, CAPACITY));
      workers.push(worker(name));
      await workers.at(-1)!.read();
    }
    const [verify, draft] = [await workOf(models[0]!), await workOf(models[1]!)];

    // The draft model decodes more steps, so that the two models take about as long.
    const verifySteps = quick ? 8 : 24;
    const trial = [await verify(verifySteps), await draft(verifySteps)];
    const draftSteps = Math.round(verifySteps * Math.min(8, trial[0]!.wallMs / trial[1]!.wallMs));
    const wanted = [(await verify(verifySteps)).tokens, (await draft(draftSteps)).tokens];
    const wallOf = (...done: readonly Decoded[]) => {
      const [first, last] = [done.map((work) => work.startEpochMs), done.map((work) => work.endEpochMs)];
      return Math.max(...last) - Math.min(...first);
    };
    const check = (name: string, i: number, { tokens }: Decoded) => assertSame(name, tokens, wanted[i]!);

    const walls: Walls = { verifyAlone: [], draftAlone: [], oneProcess: [], twoProcesses: [] };
    for (let round = 0; round < runs; round++) {
      progress(`overlap: round ${round + 1} of ${runs}`);
      await rotate(round, [
        async () => {
          const done = await verify(verifySteps);
          check("verify alone", 0, done);
          walls.verifyAlone.push(wallOf(done));
        },
        async () => {
          const done = await draft(draftSteps);
          check("draft alone", 1, done);
          walls.draftAlone.push(wallOf(done));
        },
        async () => {
          const done = await Promise.all([verify(verifySteps), draft(draftSteps)]);
          done.forEach((work, i) => check("both in one process", i, work));
          walls.oneProcess.push(wallOf(...done));
        },
        async () => {
          const done = await Promise.all([workers[0]!.ask(verifySteps), workers[1]!.ask(draftSteps)]);
          done.forEach((work, i) => check("both in two processes", i, work));
          walls.twoProcesses.push(wallOf(...done));
        },
      ]);
    }
    return report({ verify: verifySteps, draft: draftSteps }, walls);
  } finally {
    progress("");
    await Promise.all(workers.map((worker) => worker.close()));
    for (const model of models) model.close();
  }
}

type Walls = Readonly<Record<"verifyAlone" | "draftAlone" | "oneProcess" | "twoProcesses", number[]>>;

function report(steps: Readonly<Record<ModelName, number>>, walls: Walls): OverlapFigures {
  const longer = walls.verifyAlone.map((ms, round) => Math.max(ms, walls.draftAlone[round]!));
  const figures = {
    steps,
    verifyAlone: spread(walls.verifyAlone),
    draftAlone: spread(walls.draftAlone),
    oneProcess: spread(walls.oneProcess),
    twoProcesses: spread(walls.twoProcesses),
    oneToAlone: ratio(walls.oneProcess, longer),
    twoToAlone: ratio(walls.twoProcesses, longer),
    oneToTwo: ratio(walls.oneProcess, walls.twoProcesses),
  };
  console.log(`\noverlap: two devices of one thread, wall ms of ${steps.verify} verify and ${steps.draft} draft steps`);
  console.log(`  verify alone                  ${show(figures.verifyAlone)}`);
  console.log(`  draft alone                   ${show(figures.draftAlone)}`);
  console.log(`  both, in one process          ${show(figures.oneProcess)}`);
  console.log(`  both, in two processes        ${show(figures.twoProcesses)}`);
  console.log(`  one process / longer alone    ${show(figures.oneToAlone, 2)}`);
  console.log(`  two processes / longer alone  ${show(figures.twoToAlone, 2)}`);
  console.log(`  one process / two processes   ${show(figures.oneToTwo, 2)}  (wanted: at most 1.1)`);
  return figures;
}

/** The worker. */
async function serve(name: ModelName): Promise<void> {
  const model = await openBenchModel(name, CAPACITY);
  const work = await workOf(model);
  console.log(JSON.stringify("ready"));
  for await (const line of lines(Deno.stdin.readable)) {
    console.log(JSON.stringify(await work(JSON.parse(line))));
  }
  model.close();
}

if (import.meta.main) await serve(Deno.args[0] as ModelName);
