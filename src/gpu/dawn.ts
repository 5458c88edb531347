import type { Environment } from "./drivers/driver-folder.ts";
import { getEnv, isBrowser, loadDawn, setEnv, system, withoutNoise } from "../platform/platform.ts";
import { firstLine } from "../util/text.ts";
import { installPollShim } from "./poll-shim.ts";

/** How an adapter is asked for. */
export interface AdapterRequest {
  /**
   * A part of the adapter's name as its driver spells it. The first adapter with this part in its name is taken. A
   * browser ignores this.
   */
  readonly name?: string;
  /** Which adapters come first: GPUs in the CPU's chip or GPUs with memory of their own. */
  readonly powerPreference?: "low-power" | "high-performance";
  /** Environment variables that are set while the adapter is sought, and then put back. A browser ignores this. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** The switches that `create()` of Dawn gets. */
export const DAWN_TOGGLES: readonly string[] = [
  // Without this, Dawn rounds timestamps to multiples of 65 536 ns.
  "disable-dawn-features=timestamp_quantization",
  // Without this, Dawn does not offer shader-f16 on NVIDIA (source: Dawn's Toggles.cpp).
  "enable-dawn-features=vulkan_enable_f16_on_nvidia",
];
/** Dawn writes these lines to stderr for every lavapipe that it finds, and has no switch against that. */
const NOISE = /^Warning: max\w+ artificially reduced .*\n/gm;
/** A request for an adapter by this name fails, and the error lists the names of all adapters. */
const NO_ADAPTERS_NAME = "(no adapter has this name)";

/**
 * Dawn's queue of callbacks holds a raw pointer into the object that create() returns: the process crashes when that
 * object is collected as garbage. So all such objects live as long as the process. They hang on globalThis because a
 * module's own variables may be collected.
 */
const held = ((globalThis as { amusdHeldInstances?: unknown[] }).amusdHeldInstances ??= []);

let dawn: ReturnType<typeof loadDawn> | undefined;

/**
 * Loads Dawn behind the poll shim and makes WebGPU's constants (GPUBufferUsage and so on) global. Later calls return
 * the same promise, which rejects with an Error where Dawn has no build for this system.
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
 * Asks for an adapter, which serves one requestDevice(); gives `null` if there is no adapter at all. Each call makes a
 * Vulkan instance of its own, so two adapters share no threads and no settings, even if they stand for one GPU. Rejects
 * with an Error if no adapter has the name.
 */
export async function requestAdapter(request: AdapterRequest = {}): Promise<GPUAdapter | null> {
  const { name, powerPreference, environment = {} } = request;
  if (isBrowser) return await navigator.gpu?.requestAdapter({ powerPreference }) ?? null;
  const { create } = await prepareDawn();
  // Dawn looks for adapters before requestAdapter() returns its promise, so nothing else runs while the variables are
  // set.
  const seek = () => {
    const gpu = create([...DAWN_TOGGLES, ...(name === undefined ? [] : [`adapter=${name}`])]);
    held.push(gpu);
    return gpu.requestAdapter({ powerPreference });
  };
  return await withoutNoise(NOISE, () => withEnvironment(environment, seek));
}

export interface AdapterName {
  /** The driver's own name for the adapter. */
  readonly name: string;
  /** "vulkan", "metal" or "d3d12". */
  readonly backend: string;
}

/**
 * The names of all adapters in Dawn's order: with "high-performance" discrete GPUs come first, with "low-power"
 * integrated ones; software adapters come last. Throws in a browser, which has no names.
 */
export async function adapterNames(
  powerPreference: GPUPowerPreference,
  environment: Environment = {},
): Promise<AdapterName[]> {
  // Dawn tells the names nowhere but in the error for a name that matches nothing.
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
