import { buildCommand } from "@stricli/core";
import { parseResults } from "../benchmark/results.ts";
import { text } from "./flags.ts";
import { readContent } from "./input.ts";
import { prepareOutput, writeWhole } from "./output.ts";

interface VizFlags {
  readonly output?: string;
  readonly force: boolean;
}

export const vizCommand = buildCommand({
  docs: {
    brief: "Draw a benchmark's results",
    fullDescription:
      "Draws a benchmark's results: tokens over time, the lanes' timeline, the devices' use, acceptance by position " +
      "and speed-ups, as NAME-tokens.svg and .png and so on, and NAME.html, one page with all of them and the " +
      "samples' texts.",
  },
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [{ parse: String, brief: "What benchmark wrote", placeholder: "RESULTS" }],
    },
    flags: {
      output: text("Beginning of the files' names; default: the results file's without .json", "NAME"),
      force: { kind: "boolean", brief: "Replace what is there", default: false },
    },
  },
  func: async ({ output, force }: VizFlags, file: string) => {
    // Vega takes long to load, so it is imported here: no other command needs it.
    const { drawFiles, FILE_ENDINGS } = await import("../benchmark/viz/files.ts");
    const targets = FILE_ENDINGS.map((ending) => (output ?? file.replace(/\.json$/, "")) + ending);
    for (const target of targets) await prepareOutput(target, force);
    const contents = await drawFiles(parseResults(await readContent(file, "draw"), `Cannot draw "${file}"`));
    for (const [i, target] of targets.entries()) {
      await writeWhole(target, contents[i]!);
      console.log(target);
    }
  },
});
