import { Adjuster } from "../kernels/sampling/adjust.ts";
import { createLogprobs, type LogprobsKernels } from "../kernels/sampling/logprobs.ts";
import { type ChoiceBuffers, Sampler } from "../kernels/sampling/sampling.ts";
import type { Kernel } from "../kernels/kernel.ts";
import type { KernelContext } from "../kernels/kernel-context.ts";
import type { Sampling } from "../util/sampling.ts";

/** The kernels between the output product and argmax and behind it, and what they need. */
export interface Choice {
  /** The same object for all samplings that need the same kernels. */
  readonly kernels: { readonly before: readonly Kernel[]; readonly after: readonly Kernel[] };
  /** Writes what the kernels need in the submissions to come. */
  readonly write: () => void;
  /** Where the log-probabilities are; null without any. */
  readonly logprobs: { readonly buffer: GPUBuffer; readonly top: number } | null;
}

/** Puts together how tokens are chosen otherwise than by argmax alone; kernels are compiled when first needed. */
export class Chooser {
  readonly #context: KernelContext;
  readonly #buffers: ChoiceBuffers;
  #sampler: Promise<Sampler> | undefined;
  #adjuster: Promise<Adjuster> | undefined;
  readonly #logprobs = new Map<Sampler | null, Promise<LogprobsKernels>>();
  readonly #known = new Map<string, Choice["kernels"]>();

  constructor(context: KernelContext, buffers: ChoiceBuffers) {
    this.#context = context;
    this.#buffers = buffers;
  }

  async choice(sampling: Sampling): Promise<Choice> {
    const { temperature, adjustments, logprobs: top, logprobsOf = "model" } = sampling;
    const [context, buffers] = [this.#context, this.#buffers];
    const adjuster = adjustments ? await (this.#adjuster ??= Adjuster.create(context, buffers)) : null;
    const sampler = temperature > 0 ? await (this.#sampler ??= Sampler.create(context, buffers)) : null;
    const logprobs = top === undefined ? null : await this.#logprobKernels(logprobsOf === "draw" ? sampler : null);
    const scorers = sampler?.kernels(sampling) ?? [];
    const key = `${top === undefined ? "none" : logprobsOf} ${adjuster !== null} ${scorers.length}`;
    let kernels = this.#known.get(key);
    if (!kernels) {
      const scoring = [...adjuster?.kernels ?? [], ...scorers];
      // Those of a draw are told right before its last kernel, which adds the noise.
      const told = logprobsOf === "draw" ? scoring.length - 1 : 0;
      const before = [...scoring.slice(0, told), ...logprobs?.before ?? [], ...scoring.slice(told)];
      this.#known.set(key, kernels = { before, after: logprobs?.after ?? [] });
    }
    return {
      kernels,
      write: () => {
        adjuster?.write(adjustments!);
        sampler?.write(sampling);
      },
      logprobs: logprobs && { buffer: logprobs.buffer, top: top! },
    };
  }

  #logprobKernels(sampler: Sampler | null): Promise<LogprobsKernels> {
    let kernels = this.#logprobs.get(sampler);
    if (!kernels) this.#logprobs.set(sampler, kernels = createLogprobs(this.#context, this.#buffers, sampler));
    return kernels;
  }
}
