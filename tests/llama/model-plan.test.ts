import { test } from "uvu";
import * as assert from "uvu/assert";
import type { TensorType } from "../../src/checkpoint/formats.ts";
import { llamaConfig } from "../../src/checkpoint/config.ts";
import { matricesOf, planModel } from "../../src/llama/model-plan.ts";
import { openBytes, type RandomLlama, randomLlama } from "../checkpoint/gguf-builder.ts";
import { modelWith, SMALL } from "./llama-fixture.ts";

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

test("a bias goes with its tensor, and so do norms of Q and K with their layer", async () => {
  const type = (name: string): TensorType => name.includes("attn_v") ? "Q8_0" : "Q4_0";
  const model = { ...SMALL, type };
  const { checkpoint, config } = await modelWith(model, { biases: ["attn_q", "attn_v", "ffn_up"], qkNorms: true });
  for (const [i, layer] of planModel(checkpoint, config).layers.entries()) {
    const { qkv, qkNorms, attentionOutput, gateUp, down } = layer;
    const biases = [...qkv.map(({ plan }) => plan), attentionOutput, ...gateUp, down].map(({ biases }) =>
      biases?.map((tensor) => tensor?.name ?? null)
    );
    const block = `blk.${i}`;
    assert.equal(biases, [
      [`${block}.attn_q.bias`, null],
      [`${block}.attn_v.bias`],
      undefined,
      [null, `${block}.ffn_up.bias`],
      undefined,
    ]);
    assert.equal(qkNorms?.map(({ name }) => name), [`${block}.attn_q_norm.weight`, `${block}.attn_k_norm.weight`]);
  }
  const [plain] = (await planOf({})).layers;
  assert.is(plain!.qkNorms, null);
  assert.ok([plain!.attentionOutput, ...plain!.gateUp, plain!.down].every((matrix) => !("biases" in matrix)));
});

test.run();
