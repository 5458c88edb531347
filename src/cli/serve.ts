import { serve, type ServerType } from "@hono/node-server";
import { buildCommand } from "@stricli/core";
import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import process from "node:process";
import { createHandler } from "../../mod.ts";
import { UsageError } from "./errors.ts";
import { count, notEmpty, text } from "./flags.ts";
import { contextFlag, loadEngine, type ModelFlags, modelFlags } from "./models.ts";

/** How long a client may take to send the head of a request. */
const HEADERS_TIMEOUT_MS = 10_000;
/** How long an idle connection stays, a little longer than the minute after which proxies close theirs. */
const KEEP_ALIVE_MS = 65_000;

interface ServeFlags extends ModelFlags {
  readonly host: string;
  readonly port: number;
  readonly context?: number;
  readonly slots: number;
  readonly alias?: string;
  readonly "api-key": readonly string[];
  readonly "api-key-file"?: string;
  readonly "cors-origins"?: readonly string[];
  readonly queue: number;
  readonly timeout?: number;
  readonly "metrics-prefix": string;
  readonly quiet: boolean;
}

export const serveCommand = buildCommand({
  docs: {
    brief: "Answer OpenAI's API on a port of this machine",
    fullDescription:
      "Any client of OpenAI's API, or of llama.cpp's server, writes by the models here: the text is the verify " +
      "model's own. Requests are answered one after the other. Ctrl-C ends the server once the answer under way is " +
      "there, a second one at once.",
  },
  parameters: {
    flags: {
      ...modelFlags,
      host: {
        kind: "parsed",
        parse: notEmpty,
        brief: "Address to listen on",
        placeholder: "HOST",
        default: "127.0.0.1",
      },
      port: {
        kind: "parsed",
        parse: count(0, 65_535),
        brief: "Port; 0: any free one",
        placeholder: "N",
        default: "8080",
      },
      context: contextFlag,
      slots: {
        kind: "parsed",
        parse: count(1),
        brief: "Conversations whose keys and values are kept, so that each goes on without being read anew",
        placeholder: "N",
        default: "4",
      },
      alias: text("The model's name in answers; default: its file's", "NAME"),
      "api-key": {
        kind: "parsed",
        parse: notEmpty,
        brief: "Key that requests must come with; may be given several times",
        placeholder: "KEY",
        variadic: true,
        default: [],
      },
      "api-key-file": text("File with such keys, one a line", "FILE"),
      "cors-origins": {
        kind: "parsed",
        parse: notEmpty,
        brief: "Origins whose pages may use the server; *: all; default: those of this machine",
        placeholder: "ORIGIN",
        variadic: ",",
        optional: true,
      },
      queue: {
        kind: "parsed",
        parse: count(0),
        brief: "Requests that may wait; more are told to come back",
        placeholder: "N",
        default: "64",
      },
      timeout: {
        kind: "parsed",
        parse: count(1),
        brief: "Longest answer, in seconds",
        placeholder: "S",
        optional: true,
      },
      "metrics-prefix": {
        kind: "parsed",
        parse: notEmpty,
        brief: "What the names of /metrics begin with",
        placeholder: "TEXT",
        default: "amusd:",
      },
      quiet: { kind: "boolean", brief: "No line for each request on stderr", default: false },
    },
  },
  func: async (flags: ServeFlags) => {
    const apiKeys = await readKeys(flags);
    const open = () => loadEngine(flags, flags.drafter !== "none", flags.context, flags.slots);
    let engine = await open();
    try {
      const handler = createHandler(engine, {
        apiKeys,
        corsOrigins: flags["cors-origins"],
        isLoopback: isLoopback(flags.host),
        alias: flags.alias,
        queue: flags.queue,
        timeoutS: flags.timeout,
        metricsPrefix: flags["metrics-prefix"],
        reload: async () => engine = await open(),
        log: flags.quiet ? undefined : (line) => console.error(line),
      });
      const server = await listen(handler, flags);
      // Signals are heard before the address is told, so that whoever reads it can end the server.
      const end = ended(server);
      announce(server, flags, apiKeys);
      await end;
    } finally {
      await engine.close();
    }
  },
});

async function readKeys(flags: ServeFlags): Promise<string[]> {
  const file = flags["api-key-file"];
  if (file === undefined) return [...flags["api-key"]];
  const content = await readFile(file, "utf8").catch((error) => {
    throw new UsageError(`Cannot read the keys "${file}": ${error.code ?? error.message}; check the path`);
  });
  const keys = content.split(/\r?\n/).map((line) => line.trim()).filter((line) => line !== "");
  if (keys.length === 0) throw new UsageError(`Cannot use the keys "${file}": it has none; write one a line`);
  return [...flags["api-key"], ...keys];
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}

function listen(handler: (request: Request) => Promise<Response>, { host, port }: ServeFlags): Promise<ServerType> {
  return new Promise((resolve, reject) => {
    const server = serve({
      fetch: handler,
      hostname: host,
      port,
      serverOptions: { headersTimeout: HEADERS_TIMEOUT_MS, keepAliveTimeout: KEEP_ALIVE_MS },
    }, () => resolve(server));
    server.once("error", (error: NodeJS.ErrnoException) => {
      const state = error.code === "EADDRINUSE"
        ? "another program listens there; give another --port, or 0 for any free one"
        : `${error.code ?? error.message}; give another --host or --port`;
      reject(new UsageError(`Cannot listen on ${host}:${port}: ${state}`));
    });
  });
}

function announce(server: ServerType, { host }: ServeFlags, apiKeys: readonly string[]): void {
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  const at = `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
  console.log(`${at}/v1`);
  const key = apiKeys.length > 0 ? ' -H "Authorization: Bearer KEY"' : "";
  console.error(
    `Listening; try: curl ${at}/v1/chat/completions${key} -H "content-type: application/json" ` +
      `-d '{"messages": [{"role": "user", "content": "Why is the sky blue?"}]}'`,
  );
  if (apiKeys.length === 0 && !isLoopback(host)) {
    console.error(`Warning: ${host} is open to other machines, and no key is asked for; give --api-key`);
  }
}

/** Settles when the server has ended: on a signal it takes no more requests, and lets the running ones end. */
async function ended(server: ServerType): Promise<void> {
  await new Promise<void>((resolve) => {
    let asked = false;
    const stop = () => {
      if (asked) process.exit(130);
      asked = true;
      server.close(() => resolve());
      if ("closeIdleConnections" in server) server.closeIdleConnections();
    };
    process.on("SIGINT", stop);
    process.on("SIGTERM", stop);
  });
}
