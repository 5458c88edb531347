// Opens the mutants of seeds FROM to TO - 1 in turn, and prints a line a mutant: its seed, what came of it, the
// processor's time in ms, and what was wrong. At its begin and its end it tells how much memory it had at most. The
// parent ends a child that is silent for too long.

import process from "node:process";
import { mutantOf } from "./mutants.ts";
import { outcomeOf } from "./outcome.ts";

const [from, to] = Deno.args.map(Number) as [number, number];
const folder = await Deno.makeTempDir();
const tellPeak = () => console.log(JSON.stringify({ peakKib: process.resourceUsage().maxRSS }));
tellPeak();
try {
  for (let seed = from; seed < to; seed++) {
    const { base, files } = mutantOf(seed);
    const before = process.cpuUsage();
    const { outcome, text } = await outcomeOf(files, folder);
    const { user, system } = process.cpuUsage(before);
    const fields = [seed, outcome, Math.round((user + system) / 1000), base, text.replaceAll(folder, "")];
    console.log(JSON.stringify(fields));
  }
  tellPeak();
} finally {
  await Deno.remove(folder, { recursive: true });
}
