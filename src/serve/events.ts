/** How often a line that clients pass over is sent while a request waits for its first token. */
const PING_MS = 15_000;

/** An event of a stream: JSON, or the text as it is ("[DONE]"); `name` is its type where the protocol names events. */
export interface ServerEvent {
  readonly name?: string;
  readonly data: unknown;
}

const encoder = new TextEncoder();

/**
 * Server-sent events (html.spec.whatwg.org/multipage/server-sent-events.html) as a response's body. They are taken from
 * `events` as they come, whether the client reads or not, so that one that reads slowly holds nothing up; what it has
 * not read stays in memory, which the context bounds. `onLeave` hears that the client has left before the end.
 */
export function eventStream(events: AsyncIterable<ServerEvent>, onLeave: () => void): ReadableStream<Uint8Array> {
  let ping: ReturnType<typeof setInterval> | undefined;
  let left = false;
  return new ReadableStream({
    start(controller) {
      const send = (text: string) => left || controller.enqueue(encoder.encode(text));
      ping = setInterval(() => send(": waiting\n\n"), PING_MS);
      // Not awaited: a stream can't be read, nor left, before its `start` has ended.
      (async () => {
        try {
          for await (const { name, data } of events) {
            clearInterval(ping);
            const text = typeof data === "string" ? data : JSON.stringify(data);
            send(`${name === undefined ? "" : `event: ${name}\n`}data: ${text}\n\n`);
          }
          if (!left) controller.close();
        } catch (error) {
          if (!left) controller.error(error);
        } finally {
          clearInterval(ping);
        }
      })();
    },
    cancel() {
      left = true;
      clearInterval(ping);
      onLeave();
    },
  });
}

/** The headers of such a response. */
export const EVENT_STREAM_HEADERS: Readonly<Record<string, string>> = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-cache",
  // Nginx would otherwise gather the events.
  "x-accel-buffering": "no",
};
