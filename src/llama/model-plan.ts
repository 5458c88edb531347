import type { LlamaConfig } from "../checkpoint/config.ts";
import type { Checkpoint, CheckpointTensor } from "../checkpoint/checkpoint.ts";
import type { MatrixPlan } from "./weights.ts";

/** Which tensors of a file make the matrices and vectors of a Llama. */
export interface ModelPlan {
  readonly embedding: MatrixPlan;
  readonly layers: readonly LayerPlan[];
  readonly outputNorm: CheckpointTensor;
  /** null: the embedding is the output matrix too. */
  readonly output: MatrixPlan | null;
}

export interface LayerPlan {
  readonly attentionNorm: CheckpointTensor;
  /** Q, K and V as one matrix, or as several where their types differ; `firstN` is where each begins in all of them. */
  readonly qkv: readonly { readonly plan: MatrixPlan; readonly firstN: number }[];
  readonly attentionOutput: MatrixPlan;
  readonly feedForwardNorm: CheckpointTensor;
  /** Gate and up as one matrix, or each as its own where their types differ. */
  readonly gateUp: readonly MatrixPlan[];
  readonly down: MatrixPlan;
}

/** Plans a model whose tensors `llamaConfig` has found to be there. */
export function planModel({ tensors }: Checkpoint, config: LlamaConfig): ModelPlan {
  const tensor = (name: string) => tensors.get(`${name}.weight`)!;
  return {
    embedding: concatenate("embedding", [tensor("token_embd")]),
    layers: Array.from({ length: config.layers }, (_, i) => planLayer((name) => tensor(`blk.${i}.${name}`))),
    outputNorm: tensor("output_norm"),
    output: config.tied ? null : concatenate("output", [tensor("output")]),
  };
}

/** All matrices of the model. */
export function matricesOf({ embedding, layers, output }: ModelPlan): MatrixPlan[] {
  return [
    embedding,
    ...layers.flatMap(({ qkv, attentionOutput, gateUp, down }) => [
      ...qkv.map(({ plan }) => plan),
      attentionOutput,
      ...gateUp,
      down,
    ]),
    ...output ? [output] : [],
  ];
}

function planLayer(tensor: (name: string) => CheckpointTensor): LayerPlan {
  const qkv: { plan: MatrixPlan; firstN: number }[] = [];
  let firstN = 0;
  for (const part of [tensor("attn_q"), tensor("attn_k"), tensor("attn_v")]) {
    const last = qkv.at(-1);
    if (last && last.plan.tensors[0]!.type === part.type) {
      last.plan = concatenate("qkv", [...last.plan.tensors, part]);
    } else qkv.push({ plan: concatenate("qkv", [part]), firstN });
    firstN += part.shape[1]!;
  }
  return {
    attentionNorm: tensor("attn_norm"),
    qkv,
    attentionOutput: concatenate("attention output", [tensor("attn_output")]),
    feedForwardNorm: tensor("ffn_norm"),
    gateUp: planGateUp(tensor("ffn_gate"), tensor("ffn_up")),
    down: concatenate("down", [tensor("ffn_down")]),
  };
}

function planGateUp(gate: CheckpointTensor, up: CheckpointTensor): MatrixPlan[] {
  if (gate.type !== up.type) return [concatenate("gate", [gate]), concatenate("up", [up])];
  return [{ name: "gate and up", tensors: [gate, up], arrangement: "alternate" }];
}

function concatenate(name: string, tensors: readonly CheckpointTensor[]): MatrixPlan {
  return { name, tensors, arrangement: "concatenate" };
}
