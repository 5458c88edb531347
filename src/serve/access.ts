import { ApiError } from "./api-error.ts";

/** Who may use a server. */
export interface AccessOptions {
  /** One of these has to come with each request, where there are any. */
  readonly apiKeys?: readonly string[];
  /** Pages of these origins may use the server; default: those of this machine. "*": all. */
  readonly corsOrigins?: readonly string[];
  /** Whether the server is reached by names of this machine alone, so that a request by another name is a page's. */
  readonly isLoopback?: boolean;
}

/** What anyone may ask for: whether the server is there, and its models, as llama.cpp has it. */
const PUBLIC = new Set(["/health", "/v1/health", "/models", "/v1/models"]);

const LOCAL = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/**
 * Throws an ApiError where the request has not one of the keys (401), or comes to a server of this machine by another
 * name (403): a page of another site can have its own name point here (DNS rebinding).
 */
export async function assertAllowed(request: Request, { apiKeys = [], isLoopback }: AccessOptions): Promise<void> {
  const url = new URL(request.url);
  const host = request.headers.get("host") ?? url.host;
  if (isLoopback && !LOCAL.test(host.replace(/:\d+$/, ""))) {
    throw new ApiError(403, "authentication_error", `"${host.slice(0, 80)}" is no name of this machine; use localhost`);
  }
  if (apiKeys.length === 0 || request.method === "OPTIONS" || PUBLIC.has(url.pathname)) return;
  const given = request.headers.get("x-api-key") ??
    /^Bearer +(.*)$/i.exec(request.headers.get("authorization") ?? "")?.[1] ?? "";
  const digest = await sha256(given);
  let found = false;
  for (const key of apiKeys) found = equal(digest, await sha256(key)) || found;
  if (found) return;
  throw new ApiError(
    401,
    "authentication_error",
    'the API key is missing or wrong; send it as "Authorization: Bearer KEY"',
    {
      code: "invalid_api_key",
    },
  );
}

async function sha256(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
}

/** Takes the same time wherever the bytes differ, which would otherwise tell how much of a guess is right. */
function equal(a: Uint8Array, b: Uint8Array): boolean {
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a[i]! ^ b[i]!;
  return difference === 0;
}

/** The headers by which a page of the request's origin may read the answer; none for an origin that may not. */
export function corsHeaders(request: Request, { corsOrigins }: AccessOptions): Record<string, string> {
  const origin = request.headers.get("origin");
  if (origin === null) return {};
  const allowed = corsOrigins
    ? corsOrigins.includes("*") || corsOrigins.includes(origin)
    : URL.canParse(origin) && LOCAL.test(new URL(origin).hostname);
  if (!allowed) return {};
  return {
    "access-control-allow-origin": origin,
    "access-control-allow-credentials": "true",
    "access-control-allow-methods": "GET, POST, DELETE, OPTIONS",
    "access-control-allow-headers": "*",
    vary: "origin",
  };
}
