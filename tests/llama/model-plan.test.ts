import { test } from "uvu";
import * as assert from "uvu/assert";
import type { TensorType } from "../../src/checkpoint/formats.ts";
import { llamaConfig } from "../../src/checkpoint/config.ts";
import { matricesOf, planModel } from "../../src/llama/model-plan.ts";
import { openBytes, type RandomLlama, randomLlama } from "../checkpoint/gguf-builder.ts";
import { SMALL } from "./llama-fixture.ts";

async function planOf(model: Partial<RandomLlama>) {
  const checkpoint = await openBytes(randomLlama({ ...SMALL, hidden: 256, heads: 4, kvHeads: 2, ...model }));
  return planModel(checkpoint, await llamaConfig(checkpoint));
}

test("Q, K and V are one matrix as far as their types are equal", async () => {
  const [q, k, v] = ["attn_q", "attn_k", "attn_v"].map((name) => `blk.0.${name}.weight`);
  for (
    const [types, wanted] of [
      [["Q4_K", "Q4_K", "Q4_K"], [[[q, k, v], 0]]],
      [["Q4_K", "Q4_K", "Q6_K"], [[[q, k], 0], [[v], 256 + 128]]],
      [["Q6_K", "Q4_K", "Q4_K"], [[[q], 0], [[k, v], 256]]],
      [["Q4_K", "Q6_K", "Q4_K"], [[[q], 0], [[k], 256], [[v], 256 + 128]]],
    ] as const
  ) {
    const type = (name: string): TensorType =>
      types[["attn_q", "attn_k", "attn_v"].findIndex((n) => name.includes(n))] ?? "F32";
    const { layers: [layer] } = await planOf({ type });
    const got = layer!.qkv.map(({ plan, firstN }) => [plan.tensors.map(({ name }) => name), firstN]);
    assert.equal(got, wanted, types.join());
  }
});

test("gate and up are one matrix where their types are equal", async () => {
  const [gate, up] = ["blk.0.ffn_gate.weight", "blk.0.ffn_up.weight"] as const;
  for (const type of ["Q4_K", "Q6_K"] as const) {
    const { layers: [layer] } = await planOf({ feedForward: 256, type: (name) => name === up ? type : "Q4_K" });
    const got = layer!.gateUp.map(({ tensors }) => tensors.map(({ name }) => name));
    assert.equal(got, type === "Q4_K" ? [[gate, up]] : [[gate], [up]], type);
  }
});

test("each matrix of the file is in the plan once, a tied one as the embedding alone", async () => {
  for (const tied of [true, false]) {
    const plan = await planOf({ tied });
    const names = matricesOf(plan).flatMap(({ tensors }) => tensors.map(({ name }) => name));
    assert.is(names.length, 1 + 7 * plan.layers.length + (tied ? 0 : 1));
    assert.is(new Set(names).size, names.length);
    assert.is(names.includes("output.weight"), !tied);
    assert.is(plan.output === null, tied);
  }
});

test.run();
