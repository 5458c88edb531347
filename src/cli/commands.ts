import type { Command, CommandContext } from "@stricli/core";
import { benchmarkCommand } from "./benchmark.ts";
import { certifyCommand } from "./certify.ts";
import { chatCommand } from "./chat.ts";
import { devicesCommand } from "./devices.ts";
import { generateCommand } from "./generate.ts";
import { monitorCommand } from "./monitor.ts";
import { planCommand } from "./plan.ts";
import { serveCommand } from "./serve.ts";
import { statsCommand } from "./stats.ts";
import { tuneCommand } from "./tune.ts";
import { vizCommand } from "./viz.ts";

/** All commands by name, in the order in which help and docs/guide/cli.md show them. */
export const COMMANDS: Readonly<Record<string, Command<CommandContext>>> = {
  generate: generateCommand,
  chat: chatCommand,
  serve: serveCommand,
  certify: certifyCommand,
  devices: devicesCommand,
  monitor: monitorCommand,
  benchmark: benchmarkCommand,
  plan: planCommand,
  stats: statsCommand,
  viz: vizCommand,
  tune: tuneCommand,
};

export const DEFAULT_COMMAND = "generate";
