import { shaderText } from "../../gpu/shader-text.ts";
import { type RowLogprobs, TOP_LOGPROBS } from "../../util/sampling.ts";
import argmaxTile from "../argmax-tile.wgsl" with { type: "text" };
import { createKernel, type Kernel } from "../kernel.ts";
import type { KernelContext } from "../kernel-context.ts";
import stepStruct from "../step.wgsl" with { type: "text" };
import { tileConstants } from "./argmax.ts";
import chosenLogits from "./chosen-logits.wgsl" with { type: "text" };
import chosenStruct from "./chosen.wgsl" with { type: "text" };
import drawnLogits from "./drawn-logits.wgsl" with { type: "text" };
import logprobsStruct from "./logprobs-struct.wgsl" with { type: "text" };
import logprobs from "./logprobs.wgsl" with { type: "text" };
import rawLogits from "./raw-logits.wgsl" with { type: "text" };
import type { ChoiceBuffers, Sampler } from "./sampling.ts";
import samplingStruct from "./sampling.wgsl" with { type: "text" };

/** Bytes of a `Logprobs` (logprobs-struct.wgsl). */
export const LOGPROBS_BYTES = 12 + 8 * TOP_LOGPROBS;

/** The kernels that tell log-probabilities of what is chosen. */
export interface LogprobsKernels {
  /** Where the logits are those that are told of. */
  readonly before: readonly Kernel[];
  /** Behind argmax. */
  readonly after: readonly Kernel[];
  /** A `Logprobs` for each chosen token. */
  readonly buffer: GPUBuffer;
}

/** Tells of the model's logits as they are, or, with the sampler of a draw, of what that draws by. */
export async function createLogprobs(
  { device, variant }: KernelContext,
  buffers: ChoiceBuffers,
  sampler: Sampler | null,
): Promise<LogprobsKernels> {
  const { rows, vocabulary, step, tokens, chosen, logits, argmaxTiles } = buffers;
  const told = device.storage("told logits", rows * vocabulary * 4);
  const buffer = device.storage("logprobs", rows * LOGPROBS_BYTES);
  // Barriers are dear on a software adapter, but for those of one subgroup.
  const invocations = variant.kind === "subgroup" ? variant.invocations : 256;
  const constants = { ...tileConstants(variant, vocabulary), TOP: TOP_LOGPROBS };
  const tiles = sampler ? device.storage("drawn tiles", argmaxTiles.size) : argmaxTiles;
  const structs = [argmaxTile, logprobsStruct];
  const kernel = (label: string, code: string, resources: readonly GPUBuffer[], width = 1) =>
    createKernel(device, label, [code], resources, width);
  return {
    before: [
      sampler
        ? await kernel(
          "drawn logits",
          shaderText(constants, [samplingStruct, argmaxTile, drawnLogits]),
          [sampler.uniform, sampler.cutoffs, logits, argmaxTiles, told, tiles],
          Math.ceil(constants.TILES / 64),
        )
        : await kernel(
          "raw logits",
          shaderText(constants, [rawLogits]),
          [logits, told],
          Math.ceil(vocabulary / 64),
        ),
      await kernel(
        "logprobs",
        shaderText({ ...constants, INVOCATIONS: invocations }, [stepStruct, ...structs, logprobs]),
        [step, sampler ? told : logits, tiles, buffer],
      ),
    ],
    after: [
      await kernel(
        "chosen logits",
        shaderText(constants, [stepStruct, chosenStruct, ...structs, chosenLogits]),
        [step, told, chosen, tokens, buffer],
      ),
    ],
    buffer,
  };
}

/** Reads `count` log-probabilities out of the bytes of that buffer, each with the `top` likeliest tokens. */
export function readLogprobs(bytes: ArrayBuffer, offset: number, count: number, top: number): RowLogprobs[] {
  const words = LOGPROBS_BYTES / 4;
  const [ids, floats] = [new Uint32Array(bytes, offset, count * words), new Float32Array(bytes, offset, count * words)];
  return Array.from({ length: count }, (_, i): RowLogprobs => {
    const at = i * words;
    const logSum = floats[at]!;
    const logprobOf = (logit: number) => Math.min(0, logit - logSum);
    return {
      logprob: logprobOf(floats[at + 1]!),
      next: logprobOf(floats[at + 2]!),
      top: Array.from({ length: top }, (_, place) => {
        const one = at + 3 + 2 * place;
        return { token: ids[one + 1]!, logit: floats[one]! };
      }).filter(({ token, logit }) => token !== NONE && logit > LOWEST).map(({ token, logit }) => ({
        token,
        logprob: logprobOf(logit),
      })),
    };
  });
}

/** Stands where the vocabulary has no more tokens. */
const NONE = 2 ** 32 - 1;

/** The logit of a token that is no choice; a float32. */
const LOWEST = -3.4028234663852886e38;
