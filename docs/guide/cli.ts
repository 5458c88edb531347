// Makes the part of docs/guide/cli.md on commands and flags from the commands' own descriptions: `deno task docs`. The
// part before MARK is written by hand and stays.

import type { Command, CommandContext } from "@stricli/core";
import { COMMANDS, DEFAULT_COMMAND } from "../../src/cli/commands.ts";

const PAGE = new URL("cli.md", import.meta.url);
const MARK =
  "<!-- What follows is made by `deno task docs` from the flags' briefs in src/cli: change them there. -->\n";

type Parameters = Command<CommandContext>["parameters"];
type Flag = NonNullable<Parameters["flags"]>[string];

/** The page with its part after the mark made anew. Throws an Error where the mark is missing. */
export async function cliPage(page: string): Promise<string> {
  const at = page.indexOf(MARK);
  if (at < 0) throw new Error(`Cannot make docs/guide/cli.md: it lacks the line "${MARK.trim()}"; put it back`);
  const firstIn = new Map<Flag, string>();
  const sections = Object.entries(COMMANDS).map(([name, command]) => sectionOf(name, command, firstIn));
  return await formatted(page.slice(0, at) + MARK + sections.join(""));
}

/** One command's section. A flag that an earlier command has too is described there, and only named here. */
function sectionOf(name: string, command: Command<CommandContext>, firstIn: Map<Flag, string>): string {
  const { brief, fullDescription = brief, parameters: { flags = {}, positional } } = command;
  const items = positionalsOf(positional).map(({ placeholder, brief }) => `- \`${placeholder}\`: ${brief}\n`);
  const toldBy = new Map<string, string[]>();
  for (const [flag, parameter] of Object.entries(flags)) {
    const earlier = firstIn.get(parameter);
    if (earlier === undefined) {
      firstIn.set(parameter, name);
      items.push(`- \`${usageOf(flag, parameter)}\`: ${parameter.brief}${defaultOf(parameter)}\n`);
    } else toldBy.set(earlier, [...toldBy.get(earlier) ?? [], `\`--${flag}\``]);
  }
  const others = [...toldBy].map(([earlier, flags]) => `\nAs of \`${earlier}\`: ${flags.join(", ")}.\n`);
  const typed = [
    "amusd",
    ...(name === DEFAULT_COMMAND ? [] : [name]),
    ...positionalsOf(positional).map(usageOfPositional),
  ];
  const usage = `${typed.join(" ")}${Object.keys(flags).length > 0 ? " [FLAGS]" : ""}`;
  const sentences = fullDescription.replace(/\.?$/, ".");
  return `\n## ${name}\n\n\`${usage}\`\n\n${sentences}\n\n${items.join("")}${others.join("")}`;
}

interface Positional {
  readonly placeholder: string;
  readonly brief: string;
  readonly repeats: boolean;
}

function positionalsOf(positional: Parameters["positional"]): Positional[] {
  if (!positional) return [];
  const repeats = positional.kind === "array";
  const parameters = repeats ? [positional.parameter] : positional.parameters;
  return parameters.map(({ placeholder = "ARGUMENT", brief }) => ({ placeholder, brief, repeats }));
}

const usageOfPositional = ({ placeholder, repeats }: Positional) => repeats ? `${placeholder}...` : placeholder;

function usageOf(name: string, flag: Flag): string {
  if (flag.kind === "enum") return `--${name} ${flag.values.join("|")}`;
  return flag.kind === "parsed" ? `--${name} ${flag.placeholder ?? "VALUE"}` : `--${name}`;
}

function defaultOf(flag: Flag): string {
  if (!("default" in flag) || typeof flag.default !== "string") return "";
  return `; default: ${flag.default.replaceAll(",", ", ")}`;
}

/** The text formatted by `deno fmt` with deno.json's settings. */
async function formatted(text: string): Promise<string> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--ext=md", "-"],
    cwd: new URL("../../", import.meta.url),
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(text));
  await writer.close();
  const { success, stdout } = await child.output();
  if (!success) throw new Error("Cannot format docs/guide/cli.md: deno fmt failed; see what it printed");
  return new TextDecoder().decode(stdout);
}

if (import.meta.main) await Deno.writeTextFile(PAGE, await cliPage(await Deno.readTextFile(PAGE)));
