import { fileURLToPath } from "node:url";
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
const folder = fileURLToPath(new URL("./llama-cpp/", import.meta.url));

/** Installs llama.cpp, once. Install scripts don't run: they would look for builds on another network. */
export async function installPeer(): Promise<void> {
  const installed = await Deno.readTextFile(`${folder}node_modules/node-llama-cpp/package.json`).catch(() => "{}");
  if (JSON.parse(installed).version === peers.dependencies["node-llama-cpp"]) return;
  console.error("installing llama.cpp in bench/llama-cpp/ (160 MB)");
  // Optional packages are builds for other machines and for CUDA, 600 MB; the two builds that run are named outright.
  const args = ["install", "--no-package-lock", "--ignore-scripts", "--omit=optional", "--no-audit", "--no-fund"];
  const { success } = await new Deno.Command("npm", { args, cwd: folder, stdin: "null", stdout: "null" }).output();
  if (!success) throw new Error("Cannot install llama.cpp: npm install failed in bench/llama-cpp/, see above");
}

/** Starts llama.cpp with the verify model, on the CPU or on the same device as ours. */
export async function startPeer(build: Build): Promise<Peer> {
  const args = [`${folder}peer.mjs`, build, MODEL_PATHS.verify, `${CONTEXT}`];
  const peer: Peer = new LineProcess("node", args, { GGML_VK_VISIBLE_DEVICES: "0" });
  try {
    const { device } = await peer.read<{ device: string }>();
    if (build === "vulkan" && !device.includes(ADAPTER)) {
      throw new Error(`Cannot compare with llama.cpp: it found "${device}", wanted ${ADAPTER}; hide the other devices`);
    }
    return peer;
  } catch (error) {
    await peer.close();
    throw error;
  }
}
