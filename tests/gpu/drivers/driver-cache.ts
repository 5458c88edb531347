import * as assert from "uvu/assert";
import { type CommandResult, runCommand } from "../../../src/platform/platform.ts";

/** The names of all that is in a folder, sorted. */
export function names(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
}

/** Runs `run` with a cache folder of its own, and returns the lines that it wrote to stderr. */
export async function withCache(run: (cache: string) => Promise<void>): Promise<string[]> {
  const cache = await Deno.makeTempDir();
  const lines: string[] = [];
  const original = console.error;
  console.error = (line) => lines.push(line);
  try {
    await run(cache);
  } finally {
    console.error = original;
    await Deno.remove(cache, { recursive: true });
  }
  return lines;
}

const CONFIG = new URL("../../../deno.json", import.meta.url).pathname;

/** Runs a script in a process with these environment variables to its end, which has to be a success. */
export async function runScript(script: string, variables: Record<string, string>): Promise<CommandResult> {
  // The script may move HOME and XDG_CACHE_HOME, but Deno's own cache must stay where it is.
  const { denoDir } = JSON.parse((await runCommand([Deno.execPath(), "info", "--json"])).stdout);
  const result = await runCommand(
    [Deno.execPath(), "eval", "--quiet", "--no-lock", "--config", CONFIG, script],
    { DENO_DIR: denoDir, ...variables },
  );
  assert.is(result.status, 0, result.stderr);
  return result;
}

/** The names of the adapters that a process with these environment variables lists. It opens the first of them too. */
export async function listedIn(variables: Record<string, string>): Promise<{ list: string; stderr: string }> {
  const script = `
    import { listAdapters, openDevice } from ${JSON.stringify(import.meta.resolve("../../../src/gpu/adapters.ts"))};
    const adapters = await listAdapters();
    const { gpu } = await openDevice({ adapter: adapters[0], label: "verify" });
    console.log(adapters.map(({ name }) => name).join());
    gpu.destroy();`;
  const { stdout, stderr } = await runScript(script, variables);
  return { list: stdout.trim(), stderr };
}
