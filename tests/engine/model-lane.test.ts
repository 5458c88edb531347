import { fileURLToPath } from "node:url";
import { test } from "uvu";
import * as assert from "uvu/assert";
import type { Device } from "../../src/gpu/device.ts";
import { openFile } from "../../src/platform/platform-file.ts";
import type { KvCacheType } from "../../src/kernels/attention/attention.ts";
import { splitVariant } from "../../src/kernels/kernel-variant.ts";
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import { openGguf } from "../../src/checkpoint/gguf.ts";
import type { Llama } from "../../src/llama/llama.ts";
import type { Sampling } from "../../src/util/sampling.ts";
import { type Lane, LaneLostError, type LaneResult, MAX_ROWS } from "../../src/spec/lanes/lane.ts";
import { ModelLane } from "../../src/engine/model-lane.ts";
import { openBytes, randomLlama } from "../checkpoint/gguf-builder.ts";
import { load, type LoadOptions, SMALL, tokensOf } from "../llama/llama-fixture.ts";
import { openTestDevice, withDevice } from "../with-device.ts";
import { laneContract } from "../spec/lanes/lane-contract.ts";

/** Untied, so that its text doesn't stand still. */
const small = () => openBytes(randomLlama({ ...SMALL, tied: false }));
const embedded = async () => {
  const path = new URL("../../models/smollm2-draft-42m-q8_0.gguf", import.meta.url);
  return openGguf(await openFile(fileURLToPath(path)));
};

const CASES: readonly [
  title: string,
  open: () => Promise<Checkpoint>,
  kvCache: KvCacheType,
  variant: "default" | "split-64",
][] = [
  ["a random model", small, "f16", "default"],
  ["a random model", small, "f32", "default"],
  // One of these is enough: llvmpipe takes 50 s to compile its barriers.
  ["a random model", small, "f16", "split-64"],
  ["the embedded draft model", embedded, "f16", "default"],
  ["the embedded draft model", embedded, "f32", "default"],
];

const PLAIN: Sampling = { temperature: 1, topK: 0, topP: 1, minP: 0, seed: 1 };

const device = await openTestDevice();
if (device) {
  for (const [title, open, kvCache, variant] of CASES) {
    const options: LoadOptions = {
      kvCache,
      branchCapacity: 8,
      variant: variant === "split-64" ? splitVariant() : undefined,
    };
    const llama = (async () => {
      const checkpoint = await open();
      return await load(device, checkpoint, options).finally(() => checkpoint.close());
    })();
    laneContract(`${title}, ${kvCache} cache, ${variant} variant`, {
      tokens: tokensOf(40, 11),
      withLane: async (body) => {
        const lane = new ModelLane("draft", await llama, 2, () => {});
        await body(lane);
        await lane.close();
      },
    });
  }
}

/** A lane whose device is freed when it is closed. */
async function smallLane(device: Device, checkpoint: Checkpoint, release = () => {}): Promise<Lane> {
  return new ModelLane("verify", await load(device, checkpoint), 1, release);
}

await withDevice("closing frees the device once, after what was sent", async (device) => {
  const events: string[] = [];
  const lane = await smallLane(device, await small(), () => events.push("freed"));
  lane.verify([1, 2], 0).then(() => events.push("verified"));
  const closed = [lane.close(), lane.close()];
  await Promise.all(closed);
  await lane.close();
  assert.equal(events, ["verified", "freed"]);
});

test("messages settle in their order, however the model's answers come", async () => {
  const answer = { tokens: [], confidences: [], runnersUp: [], startMs: 0, endMs: 0 };
  const late = async () => {
    await new Promise((resolve) => setTimeout(resolve, 1));
    return answer;
  };
  const model = {
    capacity: 100,
    prefill: late,
    verify: () => Promise.resolve(answer),
    decode: () => Promise.reject(new Error("failed")),
  };
  const lane = new ModelLane("verify", model as unknown as Llama, 1, () => {});
  const order: string[] = [];
  const note = (name: string, message: Promise<unknown>) =>
    message.then(() => order.push(name), (error) => order.push(`${name} ${error.message}`));
  note("prefill", lane.prefill([1, 2], 0));
  note("decode", lane.decode(1, 2, 1));
  note("verify", lane.verify([1], 3));
  await lane.drain();
  assert.equal(order, ["prefill", "decode failed", "verify"]);
});

await withDevice("more steps than a submission takes are chosen as one by one", async (device) => {
  const lane = await smallLane(device, await small());
  const { tokens } = await lane.decode(5, 0, 2 * MAX_ROWS + 3);
  assert.is(tokens.length, 2 * MAX_ROWS + 3);
  const single = [lane.decode(5, 0, 1)];
  for (let i = 1; i < tokens.length; i++) single.push(lane.decode(null, i, 1));
  assert.equal((await Promise.all(single)).flatMap((result) => result.tokens), tokens);
  await lane.close();
});

await withDevice("what is drawn goes by logits, seed and position, and by when a message was sent", async (device) => {
  const lane = await smallLane(device, await small());
  const [plain, filtered] = [PLAIN, { ...PLAIN, temperature: 2, topK: 50, topP: 0.9, minP: 0.01, seed: 2 }];
  await lane.prefill(tokensOf(9), 0);
  const drawn = new Set<string>();
  for (const sampling of [null, plain, filtered, { ...filtered, seed: 3 }]) {
    lane.sample(sampling);
    const { tokens, confidences, runnersUp } = await lane.decode(5, 9, 6);
    const single = [lane.decode(5, 9, 1)];
    for (let i = 1; i < 6; i++) single.push(lane.decode(null, 9 + i, 1));
    const steps = await Promise.all(single);
    assert.equal(steps.flatMap(({ tokens }) => tokens), tokens);
    const rows = await lane.verify([5, ...tokens.slice(0, -1)], 9);
    for (const other of [rows, { ...rows, confidences: steps.flatMap(({ confidences }) => confidences) }]) {
      assert.equal([other.tokens, other.confidences, other.runnersUp], [tokens, confidences, runnersUp]);
    }
    drawn.add(tokens.join());
  }
  assert.is(drawn.size, 4);

  const messages: [Sampling | null, Promise<LaneResult>][] = [];
  for (const sampling of [null, plain, filtered, plain, null, filtered]) {
    lane.sample(sampling);
    messages.push([sampling, lane.verify([5, 6, 7], 9)]);
  }
  for (const [sampling, message] of messages) {
    const { tokens } = await message;
    lane.sample(sampling);
    assert.equal((await lane.verify([5, 6, 7], 9)).tokens, tokens);
  }
  await lane.close();
});

await withDevice("a device lost while the kernels that draw are compiled is told as lost", async (device, gpu) => {
  const lane = await smallLane(device, await small());
  lane.sample(PLAIN);
  const message = lane.decode(1, 0, 1).then(() => null, (error) => error);
  gpu.destroy();
  assert.instance(await message, LaneLostError);
  lane.sample({ ...PLAIN, seed: 9 });
  assert.instance(await lane.decode(1, 0, 1).then(() => null, (error) => error), LaneLostError);
  await lane.close();
}, { endsLost: true });

await withDevice(
  "a lost device rejects what is pending and what comes later with LaneLostError",
  async (device, gpu) => {
    const lane = await smallLane(device, await small());
    const messages = [lane.prefill(tokensOf(100), 0), lane.decode(1, 100, 40), lane.verify([1, 2, 3], 140)];
    const settled = Promise.allSettled(messages);
    gpu.destroy();
    const errors = (await settled).flatMap((result) => result.status === "rejected" ? [result.reason] : []);
    assert.is(errors.length, 3);
    for (const message of [() => lane.verify([1], 0), () => lane.decode(1, 0, 1), () => lane.prefill([1], 0)]) {
      errors.push(await message().then(() => null, (error) => error));
    }
    for (const error of errors) {
      assert.instance(error, LaneLostError);
      assert.is(error.lane, "verify");
      assert.match(error.message, /^The verify device was lost: [^\n]+$/);
    }
    await lane.drain();
    await lane.close();
  },
  { endsLost: true },
);

test("no contract has left an error on the device", async () => {
  await device?.idle();
  device?.close();
});

test.run();
