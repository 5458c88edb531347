import { test } from "uvu";
import * as assert from "uvu/assert";
import { type Device, DeviceLostError } from "../../src/gpu/device.ts";
import type { CacheType } from "../../src/kernels/attention.ts";
import { type Lanes, lanesFor, workgroupLanes } from "../../src/kernels/lanes.ts";
import { llamaConfig } from "../../src/model/config.ts";
import type { TensorType } from "../../src/model/formats.ts";
import type { Gguf } from "../../src/model/gguf.ts";
import { Llama, PREFILL_ROWS, VERIFY_ROWS } from "../../src/model/llama.ts";
import { assertClose, assertSameBits, limitBindings } from "../kernels/kernel-fixture.ts";
import { type TestAdapter, withDevice } from "../with-device.ts";
import { openBytes, type RandomLlama, randomLlama, uniforms } from "./gguf-builder.ts";
import { ReferenceLlama } from "./reference-llama.ts";

const SMALL: RandomLlama = {
  layers: 2,
  hidden: 64,
  heads: 3,
  kvHeads: 1,
  headSize: 64,
  feedForward: 96,
  vocabulary: 301,
  type: "Q4_1",
  tied: true,
  seed: 1,
};

const tokensOf = (count: number, seed = 1) => {
  const uniform = uniforms(seed);
  return Array.from({ length: count }, () => Math.floor(uniform() * SMALL.vocabulary));
};

interface LoadOptions {
  readonly cache?: CacheType;
  readonly lanes?: Lanes;
  readonly capacity?: number;
}

async function load(device: Device, gguf: Gguf, options: LoadOptions = {}): Promise<Llama> {
  return await Llama.load(device, gguf, await llamaConfig(gguf), { capacity: 256, ...options });
}

/** The logits after each token, by verifications of `rows` rows. */
async function verifyAll(llama: Llama, tokens: readonly number[], rows: number, from = 0): Promise<Float32Array> {
  const all = new Float32Array((tokens.length - from) * llama.config.vocabulary);
  for (let at = from; at < tokens.length; at += rows) {
    const some = tokens.slice(at, at + rows);
    await llama.verify(some, at);
    all.set(await llama.logits(some.length), (at - from) * llama.config.vocabulary);
  }
  return all;
}

/** Q4_K_M's mixture: V and the down matrix in six bits. */
const mixed = (name: string): TensorType => /attn_v|ffn_down/.test(name) ? "Q6_K" : "Q4_K";
const BLOCKS_OF_256 = { hidden: 256, heads: 4, feedForward: 256 };

const shapes: (readonly [title: string, model: Partial<RandomLlama>, cache: CacheType, split?: boolean])[] = [
  ["Q4_1, tied, one group of 3 heads", {}, "f16"],
  ["Q4_0, untied, RoPE factors, no groups", { type: "Q4_0", tied: false, kvHeads: 3, ropeFactors: true }, "f32"],
  ["Q8_0, heads of 128 in one group of 4", { type: "Q8_0", heads: 4, headSize: 128 }, "f16"],
  ["F32, heads of 128, RoPE scaled", {
    type: "F32",
    headSize: 128,
    tied: false,
    metadata: [["llama.rope.scaling.factor", "f32", 4]],
  }, "f32"],
  ["F16, two groups", { type: "F16", heads: 6, kvHeads: 2 }, "f32"],
  ["BF16, two groups", { type: "BF16", heads: 2, kvHeads: 2 }, "f16"],
  ["Q4_K and Q6_K, mixed", { ...BLOCKS_OF_256, type: mixed, tied: false }, "f16"],
  ["Q5_K", { ...BLOCKS_OF_256, type: "Q5_K" }, "f32"],
  ["Q6_K", { ...BLOCKS_OF_256, type: "Q6_K" }, "f32"],
  ["Q4_1, lanes that split k", {}, "f16", true],
  ["Q4_K and Q6_K, mixed, lanes that split k", { ...BLOCKS_OF_256, type: mixed, kvHeads: 4, tied: false }, "f32", true],
];

for (const [title, model, cache, split] of shapes) {
  // llvmpipe is slow to compile barriers.
  const adapter: TestAdapter = split ? "swiftshader" : "default";
  await withDevice(`${title}, ${cache} cache: the logits are those of the reference`, async (device) => {
    const gguf = await openBytes(randomLlama({ ...SMALL, ...model }));
    const tokens = tokensOf(20);
    const wanted = (await ReferenceLlama.load(gguf)).logits(tokens);
    const llama = await load(device, gguf, { cache, lanes: split ? workgroupLanes() : undefined });
    const got = await verifyAll(llama, tokens, 5);
    const { vocabulary } = llama.config;
    // Logits are of the order of 1.
    const tolerance = cache === "f16" ? 5e-3 : 5e-5;
    wanted.forEach((row, i) =>
      assertClose(`row ${i}`, got.subarray(i * vocabulary, (i + 1) * vocabulary), row, tolerance, tolerance)
    );
    const answer = await llama.verify(tokens.slice(15), 15);
    assert.equal(answer.tokens, wanted.slice(15).map((row) => row.indexOf(Math.max(...row))));
  }, { adapter });
}

await withDevice("logits have the same bits, however the tokens were fed", async (device) => {
  const gguf = await openBytes(randomLlama(SMALL));
  const llama = await load(device, gguf);
  const tokens = tokensOf(150, 2);
  const { vocabulary } = llama.config;
  const alone = await verifyAll(llama, tokens, 1);
  assert.is(new Set(alone).size > tokens.length * vocabulary / 2, true, "logits differ");
  for (const rows of [2, 3, 5, 8, 16]) assertSameBits(`${rows} rows`, await verifyAll(llama, tokens, rows), alone);

  // Prefilled up to 130, over two of a prefill's passes; in one call, or cut elsewhere.
  const end = alone.slice(130 * vocabulary);
  await llama.verify(tokens.toReversed().slice(0, 16), 60);
  await llama.prefill(tokens.slice(0, 130), 0);
  assertSameBits("prefilled", await verifyAll(llama, tokens, 16, 130), end);
  await llama.prefill(tokensOf(150, 3), 0);
  for (const [from, to] of [[0, 37], [37, 64], [64, 65], [65, 130]] as const) {
    await llama.prefill(tokens.slice(from, to), from);
  }
  assertSameBits("prefilled in pieces", await verifyAll(llama, tokens, 7, 130), end);
});

await withDevice("feeding at a lower position gives what a fresh model gives", async (device) => {
  const gguf = await openBytes(randomLlama(SMALL));
  const llama = await load(device, gguf);
  const fresh = await load(device, gguf);
  const [kept, dropped, taken] = [tokensOf(40, 4), tokensOf(30, 5), tokensOf(24, 6)];
  await llama.prefill([...kept, ...dropped], 0);
  await llama.decode(null, 70, 5);
  const got = await verifyAll(llama, [...kept, ...taken], 16, 40);
  assertSameBits("rolled back", got, await verifyAll(fresh, [...kept, ...taken], 3, 0).then((all) => all.slice(-got.length)));
});

await withDevice("steps in one submission, in many, and as verified rows choose the same", async (device) => {
  const llama = await load(device, await openBytes(randomLlama(SMALL)));
  const prompt = tokensOf(9, 7);
  await llama.prefill(prompt.slice(0, -1), 0);
  const { tokens } = await llama.decode(prompt[8]!, 8, VERIFY_ROWS);
  const last = await llama.logits(1);
  assert.is(tokens.length, VERIFY_ROWS);
  assert.ok(new Set(tokens).size > 3, `${tokens}`);

  // More submissions in flight than there are staging buffers.
  const single = [llama.decode(prompt[8]!, 8, 1)];
  for (let i = 1; i < VERIFY_ROWS; i++) single.push(llama.decode(null, 8 + i, 1));
  const answers = await Promise.all(single);
  assert.equal(answers.flatMap((answer) => answer.tokens), tokens);
  assertSameBits("single steps", await llama.logits(1), last);
  answers.forEach(({ startMs, endMs }, i) => assert.ok(startMs <= endMs && (i === 0 || startMs >= answers[i - 1]!.endMs)));

  const rows = [prompt[8]!, ...tokens.slice(0, -1)];
  assert.equal((await llama.verify(rows, 8)).tokens, tokens);
  assertSameBits("verified", (await llama.logits(VERIFY_ROWS)).slice(-last.length), last);
  // A decode goes on from a verification's last row, and from a step within a submission.
  const [, next] = await Promise.all([llama.verify(rows.slice(0, 5), 8), llama.decode(null, 13, 4)]);
  assert.equal(next.tokens, tokens.slice(5, 9));
});

await withDevice("the last position of the cache is as good as any", async (device) => {
  const gguf = await openBytes(randomLlama(SMALL));
  const tokens = tokensOf(80, 8);
  const wide = await verifyAll(await load(device, gguf), tokens, 16);
  const llama = await load(device, gguf, { capacity: tokens.length });
  await llama.prefill(tokens.slice(0, 70), 0);
  const end = wide.slice(70 * llama.config.vocabulary);
  assertSameBits("verified", await verifyAll(llama, tokens, 5, 70), end);
  await llama.decode(tokens[79]!, 79, 1);
  assertSameBits("decoded", await llama.logits(1), end.slice(-llama.config.vocabulary));
});

await withDevice("more rows than a pass takes are refused", async (device) => {
  const llama = await load(device, await openBytes(randomLlama(SMALL)));
  for (const feed of [() => llama.verify(tokensOf(VERIFY_ROWS + 1), 0), () => llama.decode(1, 0, VERIFY_ROWS + 1)]) {
    assert.throws(feed, (error: Error) => error instanceof RangeError && /^Cannot run \d+ rows, \d+ steps:/.test(error.message));
  }
  await llama.prefill(tokensOf(PREFILL_ROWS + 1), 0);
  assert.is((await llama.verify(tokensOf(VERIFY_ROWS), 0)).tokens.length, VERIFY_ROWS);
});

await withDevice("a model that doesn't fit is told with figures before anything is allocated", async (device) => {
  const refused = async (gguf: Gguf, options: LoadOptions, message: RegExp) => {
    const before = device.allocatedBytes;
    const error = await load(device, gguf, options).then(() => null, (error) => error);
    assert.instance(error, RangeError);
    assert.match(error.message, message);
    assert.not.match(error.message, "\n");
    assert.is(device.allocatedBytes, before);
  };
  const gguf = await openBytes(randomLlama(SMALL));
  const figures = /^Cannot load random 1 on the test device \(.+\): .*\d+ MiB.*; use /;
  await refused(gguf, { capacity: 2 ** 30 }, figures);
  // On both sides of the bound: a position takes 64 * 4 bytes of each cache and of the RoPE table.
  const largest = Math.min(device.limits.maxStorageBufferBindingSize, 2 ** 20);
  limitBindings(device, largest);
  await refused(gguf, { capacity: largest / 256 + 1, cache: "f32" }, figures);
  await load(device, gguf, { capacity: largest / 256, cache: "f32" });
  // A tile of weights that no cut makes small enough.
  limitBindings(device, 2048);
  await refused(gguf, { capacity: 8 }, figures);
});

await withDevice("a model whose matrices are cut runs as before", async (device) => {
  const gguf = await openBytes(randomLlama({ ...SMALL, hidden: 128, tied: false, type: "F32" }));
  const tokens = tokensOf(20, 9);
  const lanes = lanesFor(device);
  const whole = await verifyAll(await load(device, gguf, { lanes }), tokens, 16);
  // A matrix of 128 x 96 has 48 KiB; the logits of 16 rows have 19 264 bytes, a prefill's gates 24 576.
  const restore = limitBindings(device, 34_000);
  const llama = await load(device, gguf, { lanes, capacity: 64 });
  restore();
  assertSameBits("cut", await verifyAll(llama, tokens, 16), whole);
});

await withDevice("the decode loop allocates and compiles nothing", async (device, gpu) => {
  const llama = await load(device, await openBytes(randomLlama(SMALL)));
  await llama.prefill(tokensOf(20), 0);
  const calls: string[] = [];
  const names = [
    "createBuffer",
    "createBindGroup",
    "createBindGroupLayout",
    "createComputePipeline",
    "createComputePipelineAsync",
    "createPipelineLayout",
    "createQuerySet",
    "createShaderModule",
  ] as const;
  for (const name of names) {
    const original = gpu[name] as (...args: unknown[]) => unknown;
    Object.assign(gpu, {
      [name]: (...args: unknown[]) => {
        calls.push(name);
        return original.apply(gpu, args);
      },
    });
  }
  const before = device.allocatedBytes;
  for (let i = 0; i < 5; i++) await llama.decode(null, 20 + i, 1);
  await llama.decode(null, 25, 16);
  await llama.verify(tokensOf(16), 41);
  assert.equal(calls, []);
  assert.is(device.allocatedBytes, before);
  // What is counted is what is called.
  await llama.logits(1);
  assert.equal(calls, ["createBuffer"]);
});

await withDevice("loading streams: no read is larger than a piece of a tensor", async (device) => {
  // Larger than a piece: 16 MiB.
  const model = { ...SMALL, layers: 1, hidden: 512, feedForward: 8192, vocabulary: 64, type: "F32" } as const;
  const gguf = await openBytes(randomLlama(model));
  let largest = 0;
  let underWay = 0;
  let most = 0;
  for (const tensor of gguf.tensors.values()) {
    const { source } = tensor;
    const read = async (offset: number, length: number) => {
      largest = Math.max(largest, length);
      most = Math.max(most, underWay += length);
      const bytes = await source.read(offset, length);
      underWay -= length;
      return bytes;
    };
    Object.assign(tensor, { source: { ...source, name: source.name, size: source.size, read } });
  }
  const heard: number[] = [];
  const config = await llamaConfig(gguf);
  await Llama.load(device, gguf, config, { capacity: 16, onBytes: (done, total) => heard.push(done / total) });
  const tensors = [...gguf.tensors.values()].map(({ bytes }) => bytes);
  assert.ok(Math.max(...tensors) > 12 * 2 ** 20);
  assert.ok(largest <= Math.max(...tensors) && largest <= 16 * 2 ** 20, `${largest} bytes read at once`);
  assert.ok(most <= 64 * 2 ** 20, `${most} bytes under way`);
  assert.ok(heard.every((share, i) => share > (heard[i - 1] ?? 0)), `${heard}`);
  assert.ok(heard.at(-1)! > 0.99 && heard.at(-1)! <= 1, `${heard.at(-1)}`);
});

await withDevice("a device lost in mid-run rejects what is pending and what comes later", async (device, gpu) => {
  const llama = await load(device, await openBytes(randomLlama(SMALL)));
  const pending = [llama.decode(1, 0, 16)];
  // More than the ring holds.
  for (let i = 1; i < 12; i++) pending.push(llama.decode(null, 16 * i, 16));
  const settled = Promise.allSettled(pending);
  await pending[0];
  gpu.destroy();
  const errorOf = (result: PromiseSettledResult<unknown>) => result.status === "rejected" ? result.reason : null;
  const errors = (await settled).map(errorOf);
  assert.is(errors[0], null);
  const lost = errors.filter((error) => error !== null);
  assert.ok(lost.length >= 4, `${lost.length} rejected`);
  for (const feed of [() => llama.verify([1], 0), () => llama.prefill(tokensOf(100), 0)]) {
    lost.push(await feed().then(() => null, (error) => error));
  }
  for (const error of lost) {
    assert.instance(error, DeviceLostError);
    assert.match(error.message, /^The test device \(.+\) was lost: [^\n]+$/);
  }
}, { endsLost: true });

test.run();
