/** What an error adds to its message and type; OpenAI's clients look at `code`, people at `param`. */
export interface ErrorDetails {
  /** The path of the field that is wrong: "messages[0].content". */
  readonly param?: string;
  readonly code?: string;
  /** Fields of llama.cpp's errors, by which its clients know how far a prompt is too long. */
  readonly n_prompt_tokens?: number;
  readonly n_ctx?: number;
  /** For the header Retry-After, in seconds. */
  readonly retryAfterS?: number;
  /** For the header Allow: the methods that the path has. */
  readonly allow?: string;
}

/** The types of errors that OpenAI's, vLLM's and llama.cpp's clients tell apart. */
export type ErrorType =
  | "invalid_request_error"
  | "exceed_context_size_error"
  | "authentication_error"
  | "not_found_error"
  | "rate_limit_error"
  | "not_supported_error"
  | "unavailable_error"
  | "server_error";

/** An answer that is an error, in the form of OpenAI's (platform.openai.com/docs/guides/error-codes). */
export class ApiError extends Error {
  /** The HTTP status. */
  readonly status: number;
  readonly type: ErrorType;
  readonly details: ErrorDetails;

  constructor(status: number, type: ErrorType, message: string, details: ErrorDetails = {}) {
    super(message);
    this.status = status;
    this.type = type;
    this.details = details;
  }

  /** The JSON that is sent. */
  get body(): { readonly error: Record<string, unknown> } {
    const { param = null, code = null, retryAfterS: _, allow: __, ...rest } = this.details;
    return { error: { message: this.message, type: this.type, param, code, ...rest } };
  }

  get headers(): Record<string, string> {
    const { retryAfterS, allow } = this.details;
    return {
      ...retryAfterS !== undefined && { "retry-after": `${retryAfterS}` },
      ...allow !== undefined && { allow },
    };
  }
}

/** The Error that a request's field can't be so; `state` follows its path. */
export function invalid(param: string, state: string): ApiError {
  return new ApiError(400, "invalid_request_error", `"${param}" ${state}`, { param });
}

/** The Error that a prompt does not fit, in the sentences by which LiteLLM, LangChain and llama.cpp know it. */
export function promptTooLong(promptTokens: number, context: number): ApiError {
  return new ApiError(
    400,
    "exceed_context_size_error",
    `the request exceeds the available context size: this model's maximum context length is ${context} tokens, the ` +
      `prompt has ${promptTokens} and leaves no room for an answer; shorten it, or start the server with a larger ` +
      "--context",
    { code: "context_length_exceeded", n_prompt_tokens: promptTokens, n_ctx: context },
  );
}
