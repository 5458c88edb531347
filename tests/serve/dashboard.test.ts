// The dashboard for Grafana asks for what /metrics tells, and no panel covers another one.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { createHandler } from "../../src/serve/handler.ts";
import { simulatedEngine } from "./simulated-engine.ts";

interface Panel {
  readonly id: number;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets: readonly { readonly expr: string }[];
}

const path = new URL("../../examples/grafana/amusd.json", import.meta.url);
const dashboard: { readonly panels: readonly Panel[] } = JSON.parse(await Deno.readTextFile(path));
const { panels } = dashboard;

test("every metric of the dashboard is one that the server prints, after an answer that was drafted for", async () => {
  const handler = createHandler(await simulatedEngine());
  const body = JSON.stringify({ prompt: "Hello", n_predict: 20, temperature: 0 });
  await (await handler(new Request("http://localhost/completion", { method: "POST", body }))).text();
  const text = await (await handler(new Request("http://localhost/metrics"))).text();
  const printed = new Set(text.match(/^amusd:\w+/gm));
  const wanted = new Set(JSON.stringify(dashboard).match(/amusd:\w+/g));
  assert.equal([...wanted].filter((name) => !printed.has(name)), []);
  for (const { title, targets } of panels) {
    assert.ok(targets.length > 0 && targets.every(({ expr }) => /amusd:\w+/.test(expr)), title);
  }
});

test("every panel has a place and a number of its own", () => {
  assert.is(new Set(panels.map(({ id }) => id)).size, panels.length);
  const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, i) => `${x + i % w} ${y + Math.floor(i / w)}`)
  );
  assert.is(new Set(cells).size, cells.length);
  assert.ok(panels.every(({ gridPos: { x, w } }) => x + w <= 24), "a dashboard has 24 columns");
});

test.run();
