import { isRecord } from "../../util/is-record.ts";

/** What a message was written by and how, as the server tells it (see the server's page in docs/guide). */
export interface AnswerToken {
  readonly token: number;
  readonly text: string;
  readonly origin: "accepted" | "correction" | "bonus" | "verify";
}

/** llama.cpp's times, and how the lanes worked. */
export interface AnswerFigures {
  readonly cache_n: number;
  readonly prompt_n: number;
  readonly prompt_ms: number;
  readonly predicted_n: number;
  readonly predicted_per_token_ms: number;
  readonly draft_n: number;
  readonly draft_n_accepted: number;
}

/** What comes of an answer: text with its tokens, and at the end the figures. */
export type AnswerEvent =
  | { readonly kind: "text"; readonly text: string; readonly tokens: readonly AnswerToken[] }
  | { readonly kind: "end"; readonly finishReason: string; readonly figures: AnswerFigures }
  | { readonly kind: "trace"; readonly trace: unknown };

/** `fetch`, or the function of an engine in this process. */
export type Fetch = (request: Request) => Promise<Response>;

/**
 * Asks a server of amusd for the answer to a conversation; `body` are the request's other fields. Throws an Error of
 * one line where there is no such server, or it refuses.
 */
export async function* askServer(
  fetch: Fetch,
  url: string,
  body: Readonly<Record<string, unknown>>,
  signal: AbortSignal,
  key?: string,
): AsyncGenerator<AnswerEvent, void, undefined> {
  const request = new Request(`${url}/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", ...key !== undefined && { authorization: `Bearer ${key}` } },
    body: JSON.stringify({ ...body, stream: true, provenance: true }),
    signal,
  });
  const response = await fetch(request).catch((error: Error) => {
    if (signal.aborted) throw signal.reason;
    throw new Error(`Cannot reach the server at ${url}: ${error.message}; start one with "amusd serve"`);
  });
  if (!response.ok || !response.body) throw new Error(await refusal(response));
  for await (const data of dataOf(response.body)) {
    if (data === "[DONE]") return;
    const event: unknown = JSON.parse(data);
    if (!isRecord(event)) continue;
    if (isRecord(event.error)) throw new Error(`The server says: ${event.error.message}`);
    const [choice] = event.choices as [Record<string, unknown>?];
    const { content } = (choice?.delta ?? {}) as { readonly content?: string | null };
    if (typeof content === "string") {
      yield { kind: "text", text: content, tokens: (choice!.provenance ?? []) as AnswerToken[] };
    }
    if (event.trace) yield { kind: "trace", trace: event.trace };
    if (typeof choice?.finish_reason === "string") {
      yield { kind: "end", finishReason: choice.finish_reason, figures: event.timings as AnswerFigures };
    }
  }
}

async function refusal(response: Response): Promise<string> {
  const body: unknown = await response.json().catch(() => null);
  const message = isRecord(body) && isRecord(body.error) ? body.error.message : response.statusText;
  return `The server refuses: ${message} (${response.status})`;
}

/** The data of server-sent events, each of one line as ours are. */
async function* dataOf(body: ReadableStream<Uint8Array>): AsyncGenerator<string, void, undefined> {
  let held = "";
  const decoder = new TextDecoder();
  for await (const bytes of body) {
    held += decoder.decode(bytes, { stream: true });
    const lines = held.split("\n");
    held = lines.pop()!;
    for (const line of lines) if (line.startsWith("data: ")) yield line.slice(6);
  }
}
