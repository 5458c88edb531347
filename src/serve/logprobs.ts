import type { TextCodec } from "../engine/text-codec.ts";
import type { TokenLogprobs } from "../util/sampling.ts";

/** A token as OpenAI's chat and llama.cpp have it. */
function named(codec: TextCodec, id: number) {
  return { id, token: codec.textOf([id]), bytes: [...new TextEncoder().encode(codec.textOf([id]))] };
}

/** Tokens with the likeliest ones in their places, as OpenAI's chat and llama.cpp have them. */
export function chatLogprobs(codec: TextCodec, tokens: readonly number[], logprobs: readonly TokenLogprobs[]) {
  return textTokens(codec, tokens, logprobs).map(({ id, logprob, top }) => ({
    ...named(codec, id),
    logprob,
    top_logprobs: top.map(({ token, logprob }) => ({ ...named(codec, token), logprob })),
  }));
}

/** The same as probabilities, of a draw, as llama.cpp has them; one of 0 is none. */
export function drawProbabilities(codec: TextCodec, tokens: readonly number[], logprobs: readonly TokenLogprobs[]) {
  return textTokens(codec, tokens, logprobs).map(({ id, logprob, top }) => ({
    ...named(codec, id),
    prob: Math.exp(logprob),
    top_probs: top.map(({ token, logprob }) => ({ ...named(codec, token), prob: Math.exp(logprob) }))
      .filter(({ prob }) => prob > 0),
  }));
}

/** An end of text is no part of the text whose tokens these are. */
function textTokens(codec: TextCodec, tokens: readonly number[], logprobs: readonly TokenLogprobs[]) {
  return tokens.map((id, i) => ({ id, ...logprobs[i]! })).filter(({ id }) => !codec.endsText(id));
}

/** The same as OpenAI's completions have it; `null` stands for a token that has none, as a prompt's first. */
export function completionLogprobs(
  codec: TextCodec,
  tokens: readonly number[],
  logprobs: readonly (TokenLogprobs | null)[],
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
