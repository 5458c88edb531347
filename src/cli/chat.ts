import { buildCommand } from "@stricli/core";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { createHandler } from "../../mod.ts";
import { cacheFolder } from "../platform/platform.ts";
import { type ChatServer, ChatSession, HELP } from "./chat/chat-session.ts";
import { Colours } from "./chat/colours.ts";
import { Input } from "./chat/input.ts";
import type { Settings } from "./chat/settings.ts";
import { count, text } from "./flags.ts";
import { contextFlag, loadEngine, type ModelFlags, modelFlags } from "./models.ts";
import { type SamplingFlags, samplingFlags, seedParser } from "./sampling.ts";

/** Lines of the history that are kept. */
const HISTORY = 1000;

interface ChatFlags extends ModelFlags, SamplingFlags {
  readonly server?: string;
  readonly "api-key"?: string;
  readonly system?: string;
  readonly context?: number;
  readonly "max-tokens"?: number;
}

export const chatCommand = buildCommand({
  docs: {
    brief: "Talk with the model at the terminal",
    fullDescription:
      "Type a message, or /help for the commands. Ctrl-C stops an answer and keeps what came, Ctrl-D leaves. Colours " +
      "tell who wrote each token. Without a terminal each line of standard input is a message.",
  },
  parameters: {
    flags: {
      ...modelFlags,
      server: text("Address of a running server, as serve prints it, instead of models here", "URL"),
      "api-key": text("Its key", "KEY"),
      system: text("What the model is told before all", "TEXT"),
      context: contextFlag,
      "max-tokens": { kind: "parsed", parse: count(1), brief: "Longest answer", placeholder: "N", optional: true },
      ...samplingFlags,
      seed: {
        kind: "parsed",
        parse: seedParser,
        brief: "The same seed draws the same text on one device; default: a new one for each answer",
        placeholder: "N",
        optional: true,
      },
    },
  },
  func: async (flags: ChatFlags) => {
    if (flags.server !== undefined) {
      const url = flags.server.replace(/\/+$/, "").replace(/(?<!\/v1)$/, "/v1");
      return await talk({ fetch: (request) => fetch(request), url, key: flags["api-key"] }, flags);
    }
    const engine = await loadEngine(flags, flags.drafter !== "none", flags.context);
    try {
      await talk({ fetch: createHandler(engine), url: "http://localhost/v1" }, flags);
    } finally {
      await engine.close();
    }
  },
});

async function talk(server: ChatServer, flags: ChatFlags): Promise<void> {
  const { stdin, stdout, stderr } = process;
  const isTerminal = stdin.isTTY && stdout.isTTY;
  const colours = new Colours(stdout.isTTY && !process.env.NO_COLOR);
  const session = new ChatSession(server, settingsOf(flags), {
    write: (text) => stdout.write(text),
    note: (line) => isTerminal ? stdout.write(`${colours.dim(line)}\n`) : stderr.write(`${line}\n`),
    colours,
  });
  if (flags.system !== undefined) session.conversation.system = flags.system;
  const historyFile = path.join(cacheFolder(), "chat-history");
  const history = isTerminal ? await readFile(historyFile, "utf8").then((all) => all.split("\n"), () => []) : [];
  let typed: readonly string[] = history;
  const input = new Input({
    input: stdin,
    output: stdout,
    history,
    onHistory: (lines) => typed = lines,
    complete: (line) => HELP.map(([command]) => command.split(" ")[0]!).filter((command) => command.startsWith(line)),
  });
  input.onInterrupt = () => {
    if (session.interrupt()) return;
    stdout.write(`\n${colours.dim("(Ctrl-D leaves)")}\n`);
    input.clearLine();
  };
  // Who leaves a terminal doesn't wait for the answer; lines of a file are all answered.
  if (isTerminal) input.onClose = () => session.interrupt();
  process.on("SIGTERM", () => input.close());
  if (isTerminal) stdout.write(`${colours.dim("/help lists the commands, Ctrl-D leaves")}\n`);
  if (isTerminal && colours.legend !== "") stdout.write(`${colours.legend}\n`);
  for (;;) {
    const message = await input.next();
    if (message === undefined || (message.trim() !== "" && !await session.take(message))) break;
  }
  input.close();
  if (!isTerminal) return;
  stdout.write("\n");
  // A history that can't be written is missed by nobody.
  await mkdir(path.dirname(historyFile), { recursive: true })
    .then(() => writeFile(historyFile, typed.slice(0, HISTORY).join("\n"), { mode: 0o600 })).catch(() => {});
}

function settingsOf(flags: ChatFlags): Settings {
  const { temperature = 0, "top-k": top_k, "top-p": top_p, "min-p": min_p, seed, "max-tokens": max_tokens } = flags;
  return Object.fromEntries(
    Object.entries({ temperature, top_k, top_p, min_p, seed, max_tokens }).filter(([, value]) => value !== undefined),
  ) as unknown as Settings;
}
