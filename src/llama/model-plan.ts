import type { LlamaConfig } from "../checkpoint/config.ts";
import type { Checkpoint, CheckpointTensor } from "../checkpoint/checkpoint.ts";
import type { Arrangement, MatrixPlan } from "./weights.ts";

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
  /** The norms of each head of Q and of K, [headSize] each; null where the model has none. */
  readonly qkNorms: readonly [q: CheckpointTensor, k: CheckpointTensor] | null;
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
    embedding: { name: "embedding", tensors: [tensor("token_embd")], arrangement: "concatenate" },
    layers: Array.from({ length: config.layers }, (_, i) => planLayer((name) => tensors.get(`blk.${i}.${name}`))),
    outputNorm: tensor("output_norm"),
    output: config.tied ? null : { name: "output", tensors: [tensor("output")], arrangement: "concatenate" },
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

function planLayer(find: (name: string) => CheckpointTensor | undefined): LayerPlan {
  const tensor = (name: string) => find(`${name}.weight`)!;
  const matrix = (name: string, tensors: readonly string[], arrangement: Arrangement = "concatenate"): MatrixPlan => {
    const biases = tensors.map((name) => find(`${name}.bias`) ?? null);
    return {
      name,
      tensors: tensors.map(tensor),
      arrangement,
      ...biases.some((bias) => bias !== null) && { biases },
    };
  };
  const qkv: { names: string[]; firstN: number }[] = [];
  let firstN = 0;
  for (const name of ["attn_q", "attn_k", "attn_v"]) {
    const last = qkv.at(-1);
    if (last && tensor(last.names[0]!).type === tensor(name).type) last.names.push(name);
    else qkv.push({ names: [name], firstN });
    firstN += tensor(name).shape[1]!;
  }
  const [qNorm, kNorm] = [find("attn_q_norm.weight"), find("attn_k_norm.weight")];
  return {
    attentionNorm: tensor("attn_norm"),
    qkv: qkv.map(({ names, firstN }) => ({ plan: matrix("qkv", names), firstN })),
    qkNorms: qNorm && kNorm ? [qNorm, kNorm] : null,
    attentionOutput: matrix("attention output", ["attn_output"]),
    feedForwardNorm: tensor("ffn_norm"),
    gateUp: tensor("ffn_gate").type === tensor("ffn_up").type
      ? [matrix("gate and up", ["ffn_gate", "ffn_up"], "alternate")]
      : [matrix("gate", ["ffn_gate"]), matrix("up", ["ffn_up"])],
    down: matrix("down", ["ffn_down"]),
  };
}
