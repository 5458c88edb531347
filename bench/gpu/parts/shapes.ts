// Llama 1B and 8B shapes with random weights: decode, verifications, prefill, the same bits for any number of rows, and
// llama.cpp on the same file in the same minutes. The models that matter most come first.

import { chooseAdapters, listAdapters, openDevice } from "../../../src/gpu/adapters.ts";
import { Device } from "../../../src/gpu/device.ts";
import { openModelFile } from "../../../src/engine/model-pair.ts";
import { KernelContext } from "../../../src/kernels/kernel-context.ts";
import { measurePeak } from "../../../src/kernels/peak/peak.ts";
import { Llama } from "../../../src/llama/llama.ts";
import { MAX_ROWS } from "../../../src/spec/lanes/lane.ts";
import { sum } from "../../../src/util/numbers.ts";
import { decode } from "../../fixture.ts";
import { type Peer, startPeer } from "../../peer.ts";
import { partOptions, tell, timed } from "../part.ts";
import { type MixName, randomModel, type ShapeName } from "../random-model.ts";

const { scale, scratch } = partOptions();
const MODELS: readonly [ShapeName, MixName][] = [
  ["8B", "Q4_K_M"],
  ["1B", "Q4_K_M"],
  ["1B", "Q8_0"],
  ["8B", "Q8_0"],
  ["1B", "F16"],
  ["8B", "F16"],
];
const full = scale === "full";
const POSITIONS = full ? [256, 4096] : [16, 64];
const PREFILLS = full ? [512, 2048] : [64];
const STEPS = full ? 64 : 8;
const ROUNDS = 3;
const CAPACITY = full ? 4352 : 256;
const PEER_MS = full ? 40_000 : 15_000;

/** Tokens that look like a text: no two neighbours are alike. */
const tokensOf = (count: number) => Array.from({ length: count }, (_, i) => 1 + i * 7 % 251);

const { verify: { adapter } } = chooseAdapters(await listAdapters());
for (const [shape, mix] of MODELS) {
  const name = `${shape} ${mix}`;
  const { ms: writeMs, value: { path, bytes: fileBytes } } = await timed(() => randomModel(scratch, scale, shape, mix));
  try {
    await measureOurs(name, path, fileBytes, writeMs);
    await measurePeer(name, path);
  } catch (error) {
    // The next model may fit where this one doesn't.
    tell(name, { error: (error as Error).message });
  } finally {
    // The part of the strategies reads the mix that matters most once more; the others only take room.
    if (mix !== "Q4_K_M") await Deno.remove(path);
  }
}

// A llama.cpp that hangs must not hold the part.
Deno.exit();

async function measureOurs(name: string, path: string, fileBytes: number, writeMs: number): Promise<void> {
  const device = new Device(await openDevice({ adapter, label: "verify" }));
  try {
    const peak = await measurePeak(new KernelContext(device));
    const { checkpoint, config } = await openModelFile(path);
    const { ms: loadMs, value: llama } = await timed(() =>
      Llama.load(device, checkpoint, config, { capacity: CAPACITY })
    );
    await checkpoint.close();
    tell(`${name}: loaded`, { fileMB: fileBytes / 1e6, writeMs, loadMs, dispatches: llama.kernels.length });

    for (const position of POSITIONS) {
      await decode(llama, 1, position, 4);
      const bytes = sum(llama.kernels.map(({ workOf }) => workOf(position, 1).bytes));
      for (let round = 0; round < ROUNDS; round++) {
        const { wallMs, deviceMs } = await decode(llama, 1, position, STEPS);
        const ms = deviceMs / STEPS;
        const host = { wallMs: wallMs / STEPS, ms, ofBandwidth: bytes / ms / peak.bytesPerMs };
        tell(`${name}: decode at ${position}`, { MB: bytes / 1e6, ...host });
      }
    }
    await tellBits(name, llama);
    await tellVerifications(name, llama, peak.multiplyAddsPerMs);
    for (const count of PREFILLS) {
      const { ms } = await timed(() => llama.prefill(tokensOf(count), 0));
      tell(`${name}: prefill of ${count}`, { ms, tokensPerS: 1000 * count / ms });
    }
  } finally {
    device.close();
  }
}

/** Whether the logits of each row have the same bits alone as among others. */
async function tellBits(name: string, llama: Llama): Promise<void> {
  const tokens = tokensOf(MAX_ROWS);
  const position = POSITIONS[0]!;
  const alone: Float32Array[] = [];
  for (const [i, token] of tokens.entries()) {
    await llama.verify([token], position + i);
    alone.push(await llama.logits(1));
  }
  const differing: number[] = [];
  for (let rows = 2; rows <= MAX_ROWS; rows++) {
    await llama.verify(tokens.slice(0, rows), position);
    const logits = await llama.logits(rows);
    const size = logits.length / rows;
    const isSame = alone.slice(0, rows).every((row, i) =>
      row.every((value, at) => Object.is(value, logits[i * size + at]))
    );
    if (!isSame) differing.push(rows);
  }
  tell(`${name}: same bits for 1 to ${MAX_ROWS} rows`, { holds: differing.length === 0, differing });
}

async function tellVerifications(name: string, llama: Llama, multiplyAddsPerMs: number): Promise<void> {
  const position = POSITIONS[0]!;
  let oneRowMs = NaN;
  for (let rows = 1; rows <= MAX_ROWS; rows++) {
    const times: number[] = [];
    for (let i = 0; i < 2 * ROUNDS; i++) {
      const { startMs, endMs } = await llama.verify(tokensOf(rows), position);
      times.push(endMs - startMs);
    }
    const ms = Math.min(...times);
    if (rows === 1) oneRowMs = ms;
    const multiplyAdds = sum(llama.kernels.map(({ workOf }) => workOf(position, rows).multiplyAdds));
    const ofArithmetic = multiplyAdds / ms / multiplyAddsPerMs;
    tell(`${name}: verification of ${rows}`, { ms, toOneRow: ms / oneRowMs, ofArithmetic });
  }
}

/** llama.cpp gets a time of its own, in ms: where it hangs, the next model is still measured. */
async function measurePeer(name: string, path: string): Promise<void> {
  const starting = startPeer("vulkan", { model: path, context: CAPACITY, device: adapter.index });
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`llama.cpp took more than ${PEER_MS / 1000} s`)), PEER_MS);
  });
  try {
    await Promise.race([starting.then((peer) => askPeer(name, peer)), late]);
  } catch (error) {
    tell(`${name}: llama.cpp`, { error: (error as Error).message });
  } finally {
    clearTimeout(timer);
    // Nobody waits for one that has not even started: run.ts ends what a part leaves behind.
    starting.then((peer) => peer.close(), () => {});
  }
}

async function askPeer(name: string, peer: Peer): Promise<void> {
  await peer.ask({ tokens: tokensOf(16), steps: 4 });
  for (const position of POSITIONS) {
    const { decodeMs } = await peer.ask({ tokens: tokensOf(position), steps: STEPS });
    tell(`${name}: llama.cpp decodes at ${position}`, { ms: decodeMs / STEPS });
  }
  for (const count of PREFILLS) {
    const { prefillMs } = await peer.ask({ tokens: tokensOf(count + 1), steps: 1 });
    tell(`${name}: llama.cpp prefills ${count}`, { ms: prefillMs, tokensPerS: 1000 * count / prefillMs });
  }
}
