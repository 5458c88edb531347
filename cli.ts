#!/usr/bin/env node
/** The command line: argv to one command of src/cli, errors to one line, and the exit code. */
import { buildApplication, buildRouteMap, type CommandContext, run, text_en } from "@stricli/core";
import process from "node:process";
import manifest from "./package.json" with { type: "json" };
import { benchmarkCommand } from "./src/cli/benchmark.ts";
import { devicesCommand } from "./src/cli/devices.ts";
import { oneLine, UsageError } from "./src/cli/errors.ts";
import { joinLists } from "./src/cli/flags.ts";
import { generateCommand } from "./src/cli/generate.ts";
import { monitorCommand } from "./src/cli/monitor.ts";
import { planCommand } from "./src/cli/plan.ts";
import { statsCommand } from "./src/cli/stats.ts";
import { tuneCommand } from "./src/cli/tune.ts";
import { vizCommand } from "./src/cli/viz.ts";

const application = buildApplication(
  buildRouteMap({
    routes: {
      generate: generateCommand,
      devices: devicesCommand,
      monitor: monitorCommand,
      benchmark: benchmarkCommand,
      plan: planCommand,
      stats: statsCommand,
      viz: vizCommand,
      tune: tuneCommand,
    },
    defaultCommand: "generate",
    docs: { brief: manifest.description },
  }),
  {
    name: "amusd",
    versionInfo: { currentVersion: manifest.version },
    documentation: { disableAnsiColor: !process.stderr.isTTY || !process.stdout.isTTY },
    determineExitCode: (error) => error instanceof UsageError ? 2 : 1,
    localization: {
      loadText: () => ({ ...text_en, exceptionWhileRunningCommand: (error: unknown) => oneLine(error) }),
    },
  },
);

// Stricli's own exit codes for what was typed wrong are negative.
const context: CommandContext & { process: { exitCode?: number | string | null } } = { process };
process.stdout.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));
await run(application, joinLists(process.argv.slice(2), "--strategies"), context);
if (Number(process.exitCode) < 0) process.exitCode = 2;
