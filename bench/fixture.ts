// The things that the parts share: the embedded models, each on a device, equal work each time, the oracle's tokens.

import { fileURLToPath } from "node:url";
import { findAdapter, listAdapters, openDevice } from "../src/gpu/adapters.ts";
import { Device } from "../src/gpu/device.ts";
import { Llama } from "../src/llama/llama.ts";
import { openModelFile } from "../src/engine/model-pair.ts";
import { tunedVariant } from "../src/llama/tuning.ts";

export interface BenchOptions {
  readonly runs: number;
  /** Less work, to try the benchmark out: its figures mean little. */
  readonly quick: boolean;
}

/** The adapter of all parts: the one that llama.cpp's Vulkan build can use too. */
export const ADAPTER = "llvmpipe";
export type ModelName = "verify" | "draft";

const pathOf = (file: string) => fileURLToPath(new URL(`../${file}`, import.meta.url));
export const MODEL_PATHS: Readonly<Record<ModelName, string>> = {
  verify: pathOf("models/smollm2-135m-instruct-q4_1.gguf"),
  draft: pathOf("models/smollm2-draft-42m-q8_0.gguf"),
};

/** A prompt with a float32 oracle's greedy answer; tests/goldens/README.md has the whole. */
export interface Golden {
  readonly name: string;
  readonly promptTokens: readonly number[];
  readonly tokens: readonly number[];
  readonly margins: readonly number[];
}

export async function readGoldens(model: ModelName): Promise<Map<string, Golden>> {
  const goldens: Golden[] = JSON.parse(await Deno.readTextFile(pathOf(`tests/goldens/${model}.json`)));
  return new Map(goldens.map((golden) => [golden.name, golden]));
}

/** Throws unless the tokens are the oracle's, up to the first choice that was too close to hold others to. */
export function assertOracle(what: string, golden: Golden, tokens: readonly number[]): void {
  const close = golden.margins.findIndex((margin) => margin < 0.01);
  const held = Math.min(tokens.length, close < 0 ? golden.tokens.length : close);
  assertSame(`${what} after "${golden.name}"`, tokens.slice(0, held), golden.tokens.slice(0, held));
}

export function assertSame(what: string, got: readonly number[], wanted: readonly number[]): void {
  const at = wanted.findIndex((token, i) => token !== got[i]);
  if (at < 0 && got.length === wanted.length) return;
  throw new Error(`Cannot use the figures of ${what}: its tokens are [${got}], wanted [${wanted}]; they part at ${at}`);
}

export interface BenchModel {
  readonly name: ModelName;
  readonly llama: Llama;
  close(): void;
}

/** Loads an embedded model on a device of its own with one thread, and holds its first tokens against the oracle. */
export async function openBenchModel(name: ModelName, capacity: number): Promise<BenchModel> {
  const adapter = findAdapter(await listAdapters(), ADAPTER);
  const device = new Device(await openDevice({ adapter, label: name, threads: 1 }));
  try {
    const { checkpoint, config } = await openModelFile(MODEL_PATHS[name]);
    const llama = await Llama.load(device, checkpoint, config, {
      capacity,
      variant: await tunedVariant(device, checkpoint),
    });
    await checkpoint.close();
    const golden = (await readGoldens(name)).get("HumanEval/0")!;
    const last = golden.promptTokens.length - 1;
    await llama.prefill(golden.promptTokens.slice(0, last), 0);
    const { tokens } = await decode(llama, golden.promptTokens[last]!, last, 16);
    assertOracle(`the ${name} model`, golden, tokens);
    return { name, llama, close: () => device.close() };
  } catch (error) {
    device.close();
    throw error;
  }
}

export interface Decoded {
  readonly tokens: readonly number[];
  /** The time from the first step's sending to the last one's answer. */
  readonly wallMs: number;
  /** The time that the device was busy with the steps. */
  readonly deviceMs: number;
  /** Times on the clock that all processes of the machine share. */
  readonly startEpochMs: number;
  readonly endEpochMs: number;
}

/** Decodes as the greedy strategy does: a step a submission, two of them in the device's queue. */
export async function decode(llama: Llama, token: number, position: number, steps: number): Promise<Decoded> {
  const pending: ReturnType<Llama["decode"]>[] = [];
  const tokens: number[] = [];
  let deviceMs = 0;
  const startMs = performance.now();
  for (let sent = 0; tokens.length < steps;) {
    while (pending.length < 2 && sent < steps) {
      pending.push(llama.decode(sent === 0 ? token : null, position + sent++, 1));
    }
    const answer = await pending.shift()!;
    tokens.push(...answer.tokens);
    deviceMs += answer.endMs - answer.startMs;
  }
  const endMs = performance.now();
  const epoch = (ms: number) => performance.timeOrigin + ms;
  return { tokens, wallMs: endMs - startMs, deviceMs, startEpochMs: epoch(startMs), endEpochMs: epoch(endMs) };
}

/** Shows on a terminal what is being measured; "" takes it away. */
export function progress(text: string): void {
  if (Deno.stderr.isTerminal()) {
    Deno.stderr.writeSync(new TextEncoder().encode(`\r\x1b[K${text}`));
  }
}
