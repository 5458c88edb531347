import { amusd } from "../../src/spec/amusd.ts";
import { BestLaunch } from "../../src/spec/best-launch.ts";
import { speedup } from "./.grid-tmp.ts";
const s = Number(Deno.args[0] ?? 1);
const hedge = Deno.args[1] === "hedge";
const R = [.03, .1, .2], L = [0, .2, .33, .5, .65];
const mean: Record<string, number[]> = {};
for (const beta of [0, .1, .4]) {
  for (const c of [.1, .3, .5]) {
    for (const a of [.6, .9]) {
      const rows: [string, number][] = [];
      for (const reached of R) {
        for (const reachedLate of L) {
          const r = await speedup(
            amusd,
            { a, c, beta, s },
            (e: any, cl: any) => new BestLaunch(e, cl, { reached, reachedLate: Math.max(reached, reachedLate) }),
            { hedge, tokens: 2000 },
          );
          rows.push([`${reached}/${reachedLate}`, r.s]);
        }
      }
      const top = Math.max(...rows.map(([, v]) => v));
      for (const [k, v] of rows) {
        (mean[k] ??= []).push(v / top);
      }
    }
  }
}
for (const [k, v] of Object.entries(mean)) {
  console.log(
    k,
    (v.reduce((x, y) => x + y) / v.length).toFixed(3),
    Math.min(...v).toFixed(3),
  );
}
