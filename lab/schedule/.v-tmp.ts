import { launchValue } from "../../src/spec/launch-value.ts";
for (const [a, c] of [[.9, .05], [.8, .1], [.6, .05]]) {
  const t = performance.now();
  const v = launchValue({ acceptance: a!, draftMs: c!, verifyMs: Array(17).fill(1), staleSteps: .5 });
  console.log(
    a,
    c,
    "rate",
    v.rate.toFixed(2),
    [1, 2, 4, 8, 15, 20, 30].map((n) => v.value(n).toFixed(2)).join(" "),
    performance.now() - t,
  );
}
