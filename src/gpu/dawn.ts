import type { Environment } from "./drivers/driver-folder.ts";
import { getEnv, isBrowser, loadDawn, setEnv, system, withoutNoise } from "../platform/platform.ts";
import { firstLine } from "../util/text.ts";
import { installPollShim } from "./poll-shim.ts";

export interface AdapterRequest {
  /**
   * A part of the adapter's name, as `adapterNames` gives it; the first adapter that has it is taken. Not in a
   * browser.
   */
  readonly name?: string;
  readonly powerPreference?: "low-power" | "high-performance";
  /** Set while the adapter is sought and then put back. Not in a browser. */
  readonly environment?: Environment;
}

/** Dawn's switches that ship; `create()` takes them. */
export const DAWN_TOGGLES: readonly string[] = [
  // Else timestamps are rounded to 65 536 ns.
  "disable-dawn-features=timestamp_quantization",
  // Dawn does not offer shader-f16 on NVIDIA without it (source: Dawn's Toggles.cpp).
  "enable-dawn-features=vulkan_enable_f16_on_nvidia",
];
/** What Dawn writes of every lavapipe that it finds; it has no switch for that. */
const NOISE = /^Warning: max\w+ artificially reduced .*\n/gm;
const NO_ADAPTERS_NAME = "(no adapter has this name)";

/**
 * Dawn's queue of callbacks holds a raw pointer into the object that create() returns: the process crashes when that
 * is collected. So all of them live as long as the process, on globalThis because a module's own variables may be
 * collected.
 */
const held = ((globalThis as { amusdHeldInstances?: unknown[] }).amusdHeldInstances ??= []);

let dawn: ReturnType<typeof loadDawn> | undefined;

/**
 * Loads Dawn, behind the poll shim, and makes the constants of WebGPU (GPUBufferUsage and so on) global, once. Rejects
 * where it has no build.
 */
export function prepareDawn(): ReturnType<typeof loadDawn> {
  dawn ??= (async () => {
    installPollShim();
    const module = await loadDawn().catch((error) => {
      const reason = firstLine(error.message);
      throw new Error(
        `Cannot load Dawn on ${system}: ${reason}; install the npm package "webgpu" where it has a build`,
      );
    });
    Object.assign(globalThis, module.globals);
    return module;
  })();
  return dawn;
}

/**
 * A fresh adapter, which serves one requestDevice(); `null` if there is none at all. Each call makes a Vulkan
 * instance of its own, so adapters asked for twice share no threads and no settings. Rejects if no adapter has the
 * name.
 */
export async function requestAdapter(request: AdapterRequest = {}): Promise<GPUAdapter | null> {
  const { name, powerPreference, environment = {} } = request;
  if (isBrowser) return await navigator.gpu?.requestAdapter({ powerPreference }) ?? null;
  const { create } = await prepareDawn();
  // Dawn looks for adapters before requestAdapter() returns its promise: nothing else runs while the variables are set.
  const seek = () => {
    const gpu = create([...DAWN_TOGGLES, ...(name === undefined ? [] : [`adapter=${name}`])]);
    held.push(gpu);
    return gpu.requestAdapter({ powerPreference });
  };
  return await withoutNoise(NOISE, () => withEnvironment(environment, seek));
}

export interface AdapterName {
  readonly name: string;
  readonly backend: string;
}

/**
 * All adapters by their drivers' own names, in Dawn's order: with "high-performance" discrete GPUs come first, with
 * "low-power" integrated ones, software last. Not in a browser.
 */
export async function adapterNames(
  powerPreference: GPUPowerPreference,
  environment: Environment = {},
): Promise<AdapterName[]> {
  // Dawn tells the names only in the error for a name that matches nothing.
  const error = await requestAdapter({ name: NO_ADAPTERS_NAME, powerPreference, environment }).then(
    () => null,
    (e) => e,
  );
  if (error === null) return [];
  const lines = [...String(error.message).matchAll(/^ \* backend: '(.*?)', name: '(.*)'$/gm)];
  if (lines.length === 0) throw error;
  return lines.map(([, backend, name]) => ({ name: name!, backend: backend! }));
}

function withEnvironment<T>(environment: Environment, run: () => T): T {
  const before = Object.keys(environment).map((name) => [name, getEnv(name)] as const);
  try {
    for (const [name, value] of Object.entries(environment)) setEnv(name, value);
    return run();
  } finally {
    for (const [name, value] of before) setEnv(name, value);
  }
}
