// The GPU kit in small: what its parts are made of, and one of them by run.ts and read.ts.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { PlayedLane } from "../../bench/gpu/played-lane.ts";
import { MIXES, SHAPES, writeRandomModel } from "../../bench/gpu/random-model.ts";
import { openModelFile } from "../../src/engine/model-pair.ts";
import { RealClock } from "../../src/spec/clock.ts";
import { SimulatedLane } from "../../src/spec/lanes/simulated-lane.ts";
import "../untuned.ts";

const root = new URL("../../", import.meta.url);
const folder = await Deno.makeTempDir();
test.after(async () => await Deno.remove(folder, { recursive: true }));

async function kit(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const command = new Deno.Command(Deno.execPath(), { args: ["run", "-A", ...args], cwd: root, stdin: "null" });
  const { code, stdout, stderr } = await command.output();
  return { code, stdout: new TextDecoder().decode(stdout), stderr: new TextDecoder().decode(stderr) };
}

test("a random model's file is one that loads, with the types of its mix", async () => {
  const path = `${folder}/random.gguf`;
  const bytes = await writeRandomModel(path, SHAPES.tiny["8B"], "Q4_K_M");
  assert.is((await Deno.stat(path)).size, bytes);
  const { checkpoint, config, tokenizer } = await openModelFile(path);
  assert.equal([config.layers, config.hidden, config.kvHeads], [4, 512, 2]);
  assert.is(tokenizer.vocabulary, 1024);
  assert.is(checkpoint.tensors.get("output.weight")!.type, "Q6_K");
  await checkpoint.close();
});

test("Q4_K_M keeps V and down of the first and last eighth, and of each third layer between, in six bits", () => {
  const layers = Array.from({ length: 32 }, (_, layer) => layer);
  const large = layers.filter((layer) => MIXES.Q4_K_M(`blk.${layer}.ffn_down.weight`, 32) === "Q6_K");
  assert.equal(large, [0, 1, 2, 3, 6, 9, 12, 15, 18, 21, 24, 27, 28, 29, 30, 31]);
  assert.equal(layers.filter((layer) => MIXES.Q4_K_M(`blk.${layer}.attn_v.weight`, 32) === "Q6_K"), large);
  assert.is(MIXES.Q4_K_M("blk.0.attn_q.weight", 32), "Q4_K");
});

test("a played lane has the device's times and the text's tokens", async () => {
  const lane = (name: string, chosen: number, decodeMs: number) =>
    new SimulatedLane(new RealClock(), {
      name,
      capacity: 32,
      stepsAhead: 2,
      prefillMs: 0,
      decodeMs,
      verifyMs: () => decodeMs,
      next: () => chosen,
    });
  const played = new PlayedLane(lane("verify", 1, 30), lane("text", 2, 0));
  const { tokens, startMs, endMs } = await played.verify([5, 2, 2], 0);
  assert.equal(tokens, [2, 2, 2]);
  assert.ok(endMs - startMs >= 25, `${endMs - startMs} ms`);
  assert.equal((await played.verifyNext([2], 3)).tokens, [2, 2]);
  await played.close();
});

test("a part is run, and its results are read", async () => {
  const out = `${folder}/out`;
  const ran = await kit("bench/gpu/run.ts", "--scale", "tiny", "--parts", "machine", "--out", out);
  assert.is(ran.code, 0, ran.stderr);
  const { format, parts: [part] } = JSON.parse(await Deno.readTextFile(`${out}/results.json`));
  assert.equal([format, part.name, part.status], ["amusd gpu", "machine", "done"], part.error);
  assert.match(await Deno.readTextFile(`${out}/results.txt`), /^reading +[\d.]+$/m);
  const read = await kit("bench/gpu/read.ts", `${out}/results.json`);
  assert.is(read.code, 0, read.stderr);
  assert.match(read.stdout, /^## .+, \d{4}-\d\d-\d\d\n/);
  assert.match(read.stdout, /8B decode, share of bandwidth +\| 0\.65 or more \| - +\| not measured/);
  assert.match(await Deno.readTextFile(`${out}/rows.svg`), /^<svg /);
});

test("parts for which no time is left are left out, and both files are whole", async () => {
  const out = `${folder}/late`;
  const ran = await kit(
    "bench/gpu/run.ts",
    "--scale",
    "tiny",
    "--parts",
    "machine,tune",
    "--minutes",
    "0.01",
    "--out",
    out,
  );
  assert.is(ran.code, 0, ran.stderr);
  const { parts } = JSON.parse(await Deno.readTextFile(`${out}/results.json`));
  assert.equal(
    parts.map(({ name, status }: { name: string; status: string }) => `${name}: ${status}`),
    ["machine: left out", "tune: left out"],
  );
  assert.match(await Deno.readTextFile(`${out}/results.txt`), /^tune: left out, 0\.0 s$/m);
});

test("what is typed wrong, or is no file of the kit, gets one line", async () => {
  await Deno.writeTextFile(`${folder}/other.json`, "{}");
  for (
    const [args, message] of [
      [["bench/gpu/run.ts", "--parts", "none"], /^Cannot run part "none": there are machine, embedded, .*\n$/],
      [["bench/gpu/run.ts", "--minutes", "0"], /^Cannot measure for "0" minutes: .*\n$/],
      [["bench/gpu/read.ts"], /^Cannot read nothing: .*\n$/],
      [["bench/gpu/read.ts", `${folder}/other.json`], /^Cannot read ".*other\.json": it is not of the GPU kit; .*\n$/],
    ] as const
  ) {
    const { code, stdout, stderr } = await kit(...args);
    assert.equal([code, stdout], [1, ""]);
    assert.match(stderr, message);
  }
});

test.run();
