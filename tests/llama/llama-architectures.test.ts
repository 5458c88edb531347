// The kernels against transformers, by the checkpoints of tests/checkpoint/architectures.test.ts, and the strategies
// against each other on them.

import { test } from "uvu";
import * as assert from "uvu/assert";
import { GenerationRun, type StrategyName } from "../../src/engine/generation-run.ts";
import { ModelLane } from "../../src/engine/model-lane.ts";
import { MAX_ROWS } from "../../src/spec/lanes/lane.ts";
import { Estimates } from "../../src/spec/schedule/estimates.ts";
import { launchAtOnce } from "../../src/spec/schedule/launch-rule.ts";
import { loadTokenizer } from "../../src/tokenizer/tokenizer.ts";
import { type MetadataEntry, openBytes } from "../checkpoint/gguf-builder.ts";
import { CHECKPOINTS, randomGguf } from "../checkpoint/random-checkpoint.ts";
import { withDevice } from "../with-device.ts";
import { load, verifyAll } from "./llama-fixture.ts";

interface Golden {
  readonly tokens: readonly number[];
  /** Every ninth logit, by the position. */
  readonly logits: Readonly<Record<string, readonly number[]>>;
  readonly answer: readonly number[];
  readonly margins: readonly number[];
}

const path = new URL("../goldens/architectures.json", import.meta.url);
const { cases } = JSON.parse(await Deno.readTextFile(path)) as { cases: Record<string, Golden> };
/** Both compute in float32; logits are of the order of 5. */
const TOLERANCE = 5e-4;

/** One of each architecture, and each kernel that one of them alone has: compiling takes most of the time. */
const SOME = ["llama-biases", "llama-yarn", "mistral-window", "qwen2-window", "qwen3", "smollm3-window"];

for (const name of SOME) {
  await withDevice(`${name}: logits and tokens are those of transformers, by any strategy`, async (device) => {
    const { tokens, logits, answer, margins } = cases[name]!;
    const model = CHECKPOINTS.find((model) => model.name === name)!;
    const checkpoint = await openBytes(randomGguf(model)!);
    const llama = await load(device, checkpoint, { kvCache: "f32" });
    const { vocabulary } = llama.config;
    const all = [...tokens, ...answer.slice(0, -1)];
    const got = await verifyAll(llama, all, MAX_ROWS);
    for (const [position, wanted] of Object.entries(logits)) {
      wanted.forEach((value, i) => {
        const logit = got[Number(position) * vocabulary + i * 9]!;
        assert.ok(Math.abs(logit - value) < TOLERANCE, `logit ${i * 9} at ${position}: got ${logit}, wanted ${value}`);
      });
    }
    answer.forEach((token, i) => {
      const at = tokens.length - 1 + i;
      const row = got.subarray(at * vocabulary, (at + 1) * vocabulary);
      if (margins[i]! > 0.01) assert.is(row.indexOf(Math.max(...row)), token, `token ${i}`);
    });

    // Another base turns the heads otherwise, so the draft agrees on a part; its kernels are compiled already.
    const base: MetadataEntry = ["rope.freq_base", "f32", 8000];
    const other = await openBytes(
      randomGguf({ ...model, gguf: [...model.gguf?.filter(([key]) => key !== base[0]) ?? [], base] })!,
    );
    const verify = new ModelLane("verify", llama, 2, () => {});
    const draft = new ModelLane("draft", await load(device, other, { kvCache: "f32" }), 1, () => {});
    const tokenizer = loadTokenizer(checkpoint.metadata);
    const runs = [];
    for (const strategy of ["greedy", "sd", "amusd"] satisfies StrategyName[]) {
      const run = new GenerationRun({
        tokenizer,
        prompt: tokens,
        verify,
        draft,
        estimates: new Estimates(),
        adaptive: { ...launchAtOnce, gain: null },
        models: { verify: name, draft: name },
        devices: { verify: "one", draft: "one" },
        variants: { verify: "", draft: "" },
        modelHash: "",
      }, { strategy, maxTokens: 24 });
      for await (const piece of run.pieces({ verify: 0, draft: 0 })) assert.ok(piece);
      runs.push(run.record);
    }
    const [greedy, ...others] = runs;
    const sure = margins.findIndex((margin) => margin < 0.01);
    assert.equal(
      greedy!.tokens.slice(0, sure < 0 ? answer.length : sure),
      answer.slice(0, sure < 0 ? undefined : sure),
    );
    for (const { strategy, tokens } of others) assert.equal(tokens, greedy!.tokens, strategy);
    assert.ok(others.some(({ accepted }) => accepted > 0), "no draft was accepted");
  });
}

test.run();
