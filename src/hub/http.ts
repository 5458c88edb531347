import { firstLine } from "../util/text.ts";

/** Where a server answers 429 and wants a longer pause, in seconds, the user is told instead of waiting. */
const MAX_PAUSE_S = 10;

/** The Error that a server can't serve now, whatever is asked of it: what is in the cache may do instead. */
export class ServerDown extends Error {
  /** What is wrong, without the remedy. */
  readonly state: string;

  constructor(state: string, remedy: string, options?: ErrorOptions) {
    super(`${state}; ${remedy}`, options);
    this.state = state;
  }
}

export interface HttpOptions {
  /** The server, as errors name it. */
  readonly server: string;
  /** How long it may be silent, in ms. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  readonly fetch?: typeof fetch;
  /** What a status of 400 to 499 means here, with a remedy. */
  readonly refusal: (status: number, headers: Headers) => string;
}

/** Sends requests to one server, and bounds its silence. */
export class Http {
  readonly #options: HttpOptions;

  constructor(options: HttpOptions) {
    this.#options = options;
  }

  /** Answers of the kind 2xx. Rejects with an Error of one line for all others, a ServerDown where it is the server. */
  readonly request: typeof fetch = async (url, init) => {
    const { server, timeoutMs, signal: outer, refusal } = this.#options;
    const send = this.#options.fetch ?? fetch;
    for (let tries = 0;; tries++) {
      // The limit ends with the headers, unlike that of AbortSignal.timeout: a body may take as long as its bytes come.
      const silence = new AbortController();
      const timer = setTimeout(() => silence.abort(), timeoutMs);
      const signal = outer ? AbortSignal.any([outer, silence.signal]) : silence.signal;
      const response = await send(url, { ...init, signal }).catch((cause) => {
        const state = silence.signal.aborted
          ? `${server} does not answer within ${timeoutMs / 1000} s`
          : `${server} can't be reached (${reasonOf(cause)})`;
        throw new ServerDown(state, "check the network, run again, or use --offline", { cause });
      }).finally(() => clearTimeout(timer));
      if (response.ok) return response;
      await response.body?.cancel();
      const { status, headers } = response;
      const pauseS = Number(headers.get("Retry-After") ?? NaN);
      if (status === 429 && tries === 0 && pauseS <= MAX_PAUSE_S) {
        await new Promise((resolve) => setTimeout(resolve, pauseS * 1000));
        continue;
      }
      if (status === 429) {
        const pause = pauseS > 0 ? `${pauseS} s` : "a few minutes";
        throw new ServerDown(
          `${server} answers 429, too many requests`,
          `wait ${pause} and run again, or set HF_TOKEN`,
        );
      }
      if (status >= 500) throw new ServerDown(`${server} answers ${status}`, "run again later");
      throw new Error(refusal(status, headers));
    }
  };

  /** The bytes of a body. One that breaks off, is aborted or falls silent just ends: the caller counts its bytes. */
  async *chunks(body: Response["body"]): AsyncGenerator<Uint8Array> {
    if (!body) return;
    const reader = body.getReader();
    try {
      while (true) {
        let timer: ReturnType<typeof setTimeout> | undefined;
        const silence = new Promise<null>((resolve) => timer = setTimeout(resolve, this.#options.timeoutMs, null));
        const next = await Promise.race([reader.read().catch(() => null), silence]).finally(() => clearTimeout(timer));
        if (!next || next.done) return;
        yield next.value;
      }
    } finally {
      await reader.cancel().catch(() => {});
    }
  }
}

function reasonOf({ message, cause }: { message: string; cause?: { code?: string } }): string {
  return cause?.code ?? firstLine(message);
}
