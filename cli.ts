#!/usr/bin/env node
/** The command line: argv to one command of src/cli, errors to one line, and the exit code. */
import { buildApplication, buildRouteMap, type CommandContext, run, text_en } from "@stricli/core";
import process from "node:process";
import manifest from "./package.json" with { type: "json" };
import { COMMANDS, DEFAULT_COMMAND } from "./src/cli/commands.ts";
import { oneLine, UsageError } from "./src/cli/errors.ts";
import { joinLists, ownNames } from "./src/cli/flags.ts";

const application = buildApplication(
  buildRouteMap({
    routes: COMMANDS,
    defaultCommand: DEFAULT_COMMAND,
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
await run(application, joinLists(ownNames(process.argv.slice(2)), "--strategies"), context);
if (Number(process.exitCode) < 0) process.exitCode = 2;
