import type { TextCodec } from "../engine/text-codec.ts";
import type { TokenLogprobs } from "../util/sampling.ts";

/** A token with its log-probability as OpenAI's chat and llama.cpp have it. */
interface NamedLogprob {
  readonly id: number;
  readonly token: string;
  readonly logprob: number;
  readonly bytes: readonly number[];
}

function named(codec: TextCodec, id: number, logprob: number): NamedLogprob {
  return { id, token: codec.textOf([id]), logprob, bytes: [...new TextEncoder().encode(codec.textOf([id]))] };
}

/** Tokens with the likeliest ones in their places, as OpenAI's chat and llama.cpp have them. */
export function chatLogprobs(codec: TextCodec, tokens: readonly number[], logprobs: readonly TokenLogprobs[]) {
  return tokens.flatMap((id, i) => {
    // An end of text is no part of the text whose tokens these are.
    if (codec.endsText(id)) return [];
    const { logprob, top } = logprobs[i]!;
    return [{
      ...named(codec, id, logprob),
      top_logprobs: top.map(({ token, logprob }) => named(codec, token, logprob)),
    }];
  });
}

/** The same as OpenAI's completions have it; `null` stands for a token that has none, as a prompt's first. */
export function completionLogprobs(
  codec: TextCodec,
  tokens: readonly number[],
  logprobs: readonly (Pick<TokenLogprobs, "logprob" | "top"> | null)[],
  offset: number,
) {
  const texts = tokens.map((id) => codec.textOf([id]));
  let at = offset;
  return {
    tokens: texts,
    token_logprobs: logprobs.map((one) => one?.logprob ?? null),
    top_logprobs: logprobs.map((one) =>
      one && Object.fromEntries(one.top.map(({ token, logprob }) => [codec.textOf([token]), logprob]))
    ),
    text_offset: texts.map((text) => (at += text.length) - text.length),
  };
}
