import type { GenerationRecord } from "../engine/generation-run.ts";
import { sum } from "../util/numbers.ts";

/** OpenAI's count of tokens. An accepted or rejected prediction token is a drafted one, whoever drafted it. */
export function usageOf(records: readonly GenerationRecord[], choices: number) {
  const total = (count: (record: GenerationRecord) => number) => sum(records.map(count));
  // The prompt of several choices counts once.
  const prompts = records.filter((_, index) => index % choices === 0);
  const promptTokens = sum(prompts.map(({ promptTokens }) => promptTokens.length));
  const completionTokens = total(({ tokens }) => tokens.length);
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: sum(prompts.map(({ cachedTokens }) => cachedTokens)) },
    completion_tokens_details: {
      accepted_prediction_tokens: total(({ accepted }) => accepted),
      rejected_prediction_tokens: total(({ wastedDrafts }) => wastedDrafts),
    },
  };
}

/**
 * llama.cpp's times of an answer, in ms. The first token comes of the prompt's last row, so the rate of the others is
 * over one token less than there are; with one alone it is 0.
 */
export function timingsOf(record: GenerationRecord) {
  const { promptTokens, cachedTokens, tokens, ttftMs, msPerToken, accepted, drafted } = record;
  const promptMs = ttftMs ?? 0;
  const fed = promptTokens.length - cachedTokens;
  const perToken = msPerToken ?? 0;
  return {
    cache_n: cachedTokens,
    prompt_n: fed,
    prompt_ms: promptMs,
    prompt_per_token_ms: promptMs / fed,
    prompt_per_second: promptMs > 0 ? 1000 * fed / promptMs : 0,
    predicted_n: tokens.length,
    predicted_ms: perToken * Math.max(0, tokens.length - 1),
    predicted_per_token_ms: perToken,
    predicted_per_second: perToken > 0 ? 1000 / perToken : 0,
    draft_n: drafted,
    draft_n_accepted: accepted,
  };
}

/** Why an answer ended, in OpenAI's words: its own end and a stop text are "stop", all that cuts it short "length". */
export function finishReasonOf({ finishReason }: GenerationRecord): "stop" | "length" {
  return finishReason === "eos" || finishReason === "stop" ? "stop" : "length";
}
