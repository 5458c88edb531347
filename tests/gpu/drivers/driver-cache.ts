import * as assert from "uvu/assert";
import { type CommandResult, runCommand } from "../../../src/platform/platform.ts";

export function names(folder: string): string[] {
  return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
}

/** Runs `run` with a cache folder of its own and gives the lines it wrote to stderr. */
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

/** Runs a script in a process with these variables, to its end and with success. */
export async function runScript(script: string, variables: Record<string, string>): Promise<CommandResult> {
  // Deno's own cache does not move with HOME and XDG_CACHE_HOME.
  const { denoDir } = JSON.parse((await runCommand([Deno.execPath(), "info", "--json"])).stdout);
  const result = await runCommand(
    [Deno.execPath(), "eval", "--quiet", "--no-lock", "--config", CONFIG, script],
    { DENO_DIR: denoDir, ...variables },
  );
  assert.is(result.status, 0, result.stderr);
  return result;
}

/** The names of the adapters that a process with these variables lists; it opens the first. */
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
