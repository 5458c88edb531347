import { amusd } from "../../src/spec/amusd.ts";
import { BestLaunch } from "../../src/spec/best-launch.ts";
import { speedup } from "./.grid-tmp.ts";
const s = Number(Deno.args[0] ?? 1);
const hedge = Deno.args[1] === "hedge";
const R = [0.002, .01, .03, .1, .2], F = [.7, .85, 1, 1.15];
const mean: Record<string, number[]> = {};
for (const beta of [0, .2]) {
  for (const c of [0.05, .1, .2, .5]) {
    for (const a of [.6, .8, .9]) {
      const rows: [string, number][] = [];
      for (const reached of R) {
        for (const rateFactor of F) {
          const r = await speedup(
            amusd,
            { a, c, beta, s },
            (e: any, cl: any) => new BestLaunch(e, cl, { reached, rateFactor }),
            { hedge, tokens: 1500 },
          );
          rows.push([`${reached}/${rateFactor}`, r.s]);
        }
      }
      const top = Math.max(...rows.map(([, v]) => v));
      for (const [k, v] of rows) {
        (mean[k] ??= []).push(v / top);
      }
      rows.sort((x, y) => y[1] - x[1]);
      console.log(
        `a=${a} c=${c} b=${beta}: ` + rows.slice(0, 3).map(([k, v]) => `${k} ${v.toFixed(2)}`).join("  ") +
          `   .1/1: ${rows.find(([k]) => k === "0.1/1")![1].toFixed(2)} .03/1: ${
            rows.find(([k]) => k === "0.03/1")![1].toFixed(2)
          }`,
      );
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
