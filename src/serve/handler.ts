import type { Engine } from "../engine/engine.ts";
import type { HandlerOptions, WebRequest, WebResponse } from "./options.ts";

/**
 * A server of OpenAI's API as a function from requests to responses, which takes the place of `fetch` in a client, or
 * is called by what listens on a port. One answer is written at a time, and others wait for their turn; nothing else
 * may generate with the engine meanwhile.
 */
export function createHandler(
  engine: Engine,
  options: HandlerOptions = {},
): (request: WebRequest) => Promise<WebResponse> {
  // Programs that serve nothing load none of what it takes.
  const app = lazy(() => import("./app.ts").then(({ createApp }) => createApp(engine, options)));
  return async (request) => await (await app())(request);
}

function lazy<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => made ??= make();
}
