import { amusd } from "../../src/spec/amusd.ts";
import { BestLaunch } from "../../src/spec/best-launch.ts";
import { speedup } from "./.grid-tmp.ts";
for (const [a, c] of [[.9, .05], [.8, .05], [.6, .05], [.9, .1], [.9, .2], [.7, .2]] as const) {
  for (const seed of [7]) {
    const out = [];
    for (const rateFactor of [.9, 1, 1.2, 1.5, 2, 3, 5]) {
      out.push(
        (await speedup(
          amusd,
          { a, c, beta: 0, s: 1 },
          (e: any, cl: any) => new BestLaunch(e, cl, { reached: .03, rateFactor }),
          { tokens: 3000, seed },
        )).s.toFixed(2),
      );
    }
    console.log(a, c, out.join(" "));
  }
}
