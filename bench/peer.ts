import path from "node:path";
import { fileURLToPath } from "node:url";
import { type AdapterInfo, findAdapter, listAdapters } from "../src/gpu/adapters.ts";
import { ADAPTER, MODEL_PATHS } from "./fixture.ts";
import { LineProcess } from "./line-process.ts";
import peers from "./llama-cpp/package.json" with { type: "json" };

/** Which of llama.cpp's back ends runs. */
export type Build = "vulkan" | "cpu";

export interface PeerAnswer {
  /** Time to feed all tokens but the last, in one batch. */
  readonly prefillMs: number;
  readonly decodeMs: number;
  readonly tokens: readonly number[];
}

/** llama.cpp in a process of its own: it decodes `steps` steps after `tokens`. */
export type Peer = LineProcess<{ readonly tokens: readonly number[]; readonly steps: number }, PeerAnswer>;

const CONTEXT = 512;
/** The folder into which llama.cpp is installed. */
export const PEER_FOLDER: string = fileURLToPath(new URL("./llama-cpp/", import.meta.url));

/** Installs llama.cpp, once. Install scripts don't run: they would look for builds on another network. */
export async function installPeer(): Promise<void> {
  const installed = await Deno.readTextFile(`${PEER_FOLDER}node_modules/node-llama-cpp/package.json`).catch(() => "{}");
  if (JSON.parse(installed).version === peers.dependencies["node-llama-cpp"]) return;
  console.error("installing llama.cpp in bench/llama-cpp/ (160 MB)");
  // Optional packages are builds for other machines and for CUDA, 600 MB; the two builds that run are named outright.
  const args = ["install", "--no-package-lock", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund"];
  const { success } = await new Deno.Command("npm", { args, cwd: PEER_FOLDER, stdin: "null", stdout: "null" }).output();
  if (!success) throw new Error("Cannot install llama.cpp: npm install failed in bench/llama-cpp/, see above");
}

export interface PeerOptions {
  /** The GGUF file; default: the embedded verify model. */
  readonly model?: string;
  /** Positions of the KV cache. */
  readonly context?: number;
  /** A part of the adapter's name, or its index; default: that of all parts of the benchmark. */
  readonly device?: string | number;
}

/** Variables by which llama.cpp finds a driver that was put in place for us, and the libraries beside it. */
function vulkanVariables({ request: { environment = {} } }: AdapterInfo): Record<string, string> {
  const driver = environment.VK_DRIVER_FILES;
  if (driver === undefined) return environment;
  const folders = [path.dirname(driver), ...Deno.env.get("LD_LIBRARY_PATH")?.split(":") ?? []];
  return { ...environment, LD_LIBRARY_PATH: folders.join(":") };
}

/**
 * Starts llama.cpp, on the CPU or on the same device as ours. Throws an Error where it doesn't start, or has found
 * another device.
 */
export async function startPeer(
  build: Build,
  { model = MODEL_PATHS.verify, context = CONTEXT, device = ADAPTER }: PeerOptions = {},
): Promise<Peer> {
  // Deno runs what npm installed: there may be no Node.
  const run = ["run", "-A", "--no-config", "--no-lock", "--node-modules-dir=manual", `${PEER_FOLDER}peer.mjs`];
  const adapter = findAdapter(await listAdapters(), device);
  const env = build === "vulkan" ? { ...vulkanVariables(adapter), GGML_VK_VISIBLE_DEVICES: "0" } : {};
  const peer: Peer = new LineProcess(Deno.execPath(), [...run, build, model, `${context}`], env);
  try {
    const found = await peer.read<{ device: string }>();
    if (build === "vulkan" && found.device !== adapter.name) {
      throw new Error(
        `Cannot compare with llama.cpp: it found "${found.device}", wanted "${adapter.name}"; hide the other devices`,
      );
    }
    return peer;
  } catch (error) {
    await peer.close();
    throw error;
  }
}
