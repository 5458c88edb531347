import { test } from "uvu";
import * as assert from "uvu/assert";
import { DeviceLostError } from "../../src/gpu/device.ts";
import { defaultVariant } from "../../src/kernels/kernel-variant.ts";
import { llamaConfig } from "../../src/checkpoint/config.ts";
import type { Checkpoint } from "../../src/checkpoint/checkpoint.ts";
import { Llama, PREFILL_ROWS } from "../../src/llama/llama.ts";
import { MAX_ROWS } from "../../src/spec/lanes/lane.ts";
import { assertSameBits, limitBindings } from "../kernels/kernel-fixture.ts";
import { withDevice } from "../with-device.ts";
import { ggufFile, openBytes, randomLlama, randomLlamaParts } from "../checkpoint/gguf-builder.ts";
import { load, type LoadOptions, SMALL, tokensOf, verifyAll } from "./llama-fixture.ts";

await withDevice("logits have the same bits, however the tokens were fed", async (device) => {
  const checkpoint = await openBytes(randomLlama(SMALL));
  const llama = await load(device, checkpoint);
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
  const checkpoint = await openBytes(randomLlama(SMALL));
  const llama = await load(device, checkpoint);
  const fresh = await load(device, checkpoint);
  const [kept, dropped, taken] = [tokensOf(40, 4), tokensOf(30, 5), tokensOf(24, 6)];
  await llama.prefill([...kept, ...dropped], 0);
  await llama.decode(null, 70, 5);
  const got = await verifyAll(llama, [...kept, ...taken], 16, 40);
  assertSameBits(
    "rolled back",
    got,
    await verifyAll(fresh, [...kept, ...taken], 3, 0).then((all) => all.slice(-got.length)),
  );
});

await withDevice("steps in one submission, in many, and as verified rows choose the same", async (device) => {
  const llama = await load(device, await openBytes(randomLlama({ ...SMALL, tied: false })));
  const prompt = tokensOf(9, 7);
  await llama.prefill(prompt.slice(0, -1), 0);
  const { tokens } = await llama.decode(prompt[8]!, 8, MAX_ROWS);
  const last = await llama.logits(1);
  assert.is(tokens.length, MAX_ROWS);
  assert.ok(new Set(tokens).size > 3, `${tokens}`);

  // More submissions in flight than there are staging buffers.
  const single = [llama.decode(prompt[8]!, 8, 1)];
  for (let i = 1; i < MAX_ROWS; i++) single.push(llama.decode(null, 8 + i, 1));
  const answers = await Promise.all(single);
  assert.equal(answers.flatMap((answer) => answer.tokens), tokens);
  assertSameBits("single steps", await llama.logits(1), last);
  answers.forEach(({ startMs, endMs }, i) =>
    assert.ok(startMs <= endMs && (i === 0 || startMs >= answers[i - 1]!.endMs))
  );

  const rows = [prompt[8]!, ...tokens.slice(0, -1)];
  assert.equal((await llama.verify(rows, 8)).tokens, tokens);
  assertSameBits("verified", (await llama.logits(MAX_ROWS)).slice(-last.length), last);
  // A verification goes on from the last row that one accepts.
  const second = await llama.verify([tokens[2]!, ...tokens.slice(3, 6)], 11);
  const bits = await llama.logits(4);
  const [, following] = await Promise.all([
    llama.verify([...rows.slice(0, 3), tokens[2]! + 1, tokens[3]!], 8),
    llama.verifyNext(tokens.slice(3, 6)),
  ]);
  assert.equal(following.tokens, second.tokens);
  assertSameBits("verified behind another one", await llama.logits(4), bits);
  // A decode goes on from a verification's last row, and from a step within a submission.
  const [, next] = await Promise.all([llama.verify(rows.slice(0, 5), 8), llama.decode(null, 13, 4)]);
  assert.equal(next.tokens, tokens.slice(5, 9));
});

await withDevice("the last position of the cache is as good as any", async (device) => {
  const checkpoint = await openBytes(randomLlama(SMALL));
  const tokens = tokensOf(80, 8);
  const wide = await verifyAll(await load(device, checkpoint), tokens, 16);
  const llama = await load(device, checkpoint, { capacity: tokens.length });
  await llama.prefill(tokens.slice(0, 70), 0);
  const end = wide.slice(70 * llama.config.vocabulary);
  assertSameBits("verified", await verifyAll(llama, tokens, 5, 70), end);
  await llama.decode(tokens[79]!, 79, 1);
  assertSameBits("decoded", await llama.logits(1), end.slice(-llama.config.vocabulary));
});

await withDevice("more rows than a pass takes are refused", async (device) => {
  const llama = await load(device, await openBytes(randomLlama(SMALL)));
  for (const feed of [() => llama.verify(tokensOf(MAX_ROWS + 1), 0), () => llama.decode(1, 0, MAX_ROWS + 1)]) {
    assert.throws(
      feed,
      (error: Error) => error instanceof RangeError && /^Cannot run \d+ rows, \d+ steps:/.test(error.message),
    );
  }
  await llama.prefill(tokensOf(PREFILL_ROWS + 1), 0);
  assert.is((await llama.verify(tokensOf(MAX_ROWS), 0)).tokens.length, MAX_ROWS);
});

await withDevice("a prefill is cut at fixed positions", async (device) => {
  const llama = await load(device, await openBytes(randomLlama(SMALL)));
  const { queue } = device;
  const { submit } = queue;
  let submissions = 0;
  queue.submit = (buffers) => {
    submissions++;
    return submit.call(queue, buffers);
  };
  await llama.prefill(tokensOf(100), 0);
  assert.is(submissions, 2);
  // Up to 64, up to 128, and the rest.
  await llama.prefill(tokensOf(100), 60);
  assert.is(submissions, 2 + 3);
});

await withDevice("a model that doesn't fit is told with figures before anything is allocated", async (device) => {
  const refused = async (checkpoint: Checkpoint, options: LoadOptions, message: RegExp) => {
    const before = device.allocatedBytes;
    const error = await load(device, checkpoint, options).then(() => null, (error) => error);
    assert.instance(error, RangeError);
    assert.match(error.message, message);
    assert.not.match(error.message, "\n");
    assert.is(device.allocatedBytes, before);
  };
  const checkpoint = await openBytes(randomLlama(SMALL));
  const figures = /^Cannot load random 1 on the test device \(.+\): .*\d+ MiB.*; use /;
  await refused(checkpoint, { capacity: 2 ** 30 }, figures);
  // On both sides of the bound: a position takes 64 * 4 bytes of each cache and of the RoPE table.
  const restore = limitBindings(device, 2 ** 18);
  await refused(checkpoint, { capacity: 1025, kvCache: "f32" }, figures);
  await load(device, checkpoint, { capacity: 1024, kvCache: "f32" });
  restore();
  // A prefill's 64 rows of queries, 3 * 64 floats each: the largest buffer that no smaller context makes smaller.
  limitBindings(device, 64 * 192 * 4 - 16);
  await refused(checkpoint, { capacity: 8 }, figures);
  limitBindings(device, 64 * 192 * 4);
  await load(device, checkpoint, { capacity: 8 });
});

await withDevice("a model whose matrices are cut runs as before", async (device) => {
  const checkpoint = await openBytes(
    randomLlama({ ...SMALL, hidden: 128, feedForward: 192, tied: false, type: "F32" }),
  );
  const tokens = tokensOf(20, 9);
  const variant = defaultVariant(device);
  const whole = await verifyAll(await load(device, checkpoint, { variant }), tokens, 16);
  // Each matrix has 96 KiB or more, the largest other buffer 48: 64 rows of 192 floats.
  const restore = limitBindings(device, 82_000);
  const llama = await load(device, checkpoint, { variant, capacity: 64 });
  restore();
  assert.ok(llama.kernels.length >= 2 * 9 + 5, `${llama.kernels.length} dispatches`);
  assertSameBits("cut", await verifyAll(llama, tokens, 16), whole);
});

await withDevice(
  "the decode loop allocates and compiles nothing, and a step is five dispatches a layer and three",
  async (device, gpu) => {
    const llama = await load(device, await openBytes(randomLlama(SMALL)), { branchCapacity: 4 });
    const sampling = { temperature: 1, topK: 20, topP: 0.9, minP: 0.01, seed: 1 };
    llama.sample(sampling);
    await llama.prefill(tokensOf(20), 0);
    await llama.decode(null, 20, 1);
    llama.sample(null);
    const calls: string[] = [];
    const names = [
      "createBuffer",
      "createBindGroup",
      "createBindGroupLayout",
      "createComputePipeline",
      "createComputePipelineAsync",
      "createPipelineLayout",
      "createQuerySet",
      "createRenderPipeline",
      "createRenderPipelineAsync",
      "createSampler",
      "createShaderModule",
      "createTexture",
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
    // Counted is what is submitted, which may have been encoded long before.
    const encodings = new WeakMap<GPUCommandBuffer, { number: number; dispatches: number }>();
    let encoded = 0;
    let submitted = 0;
    let dispatches: number[] = [];
    const createCommandEncoder = gpu.createCommandEncoder;
    gpu.createCommandEncoder = (descriptor) => {
      const encoder = createCommandEncoder.call(gpu, descriptor);
      const { beginComputePass, finish } = encoder;
      let dispatches = 0;
      encoder.beginComputePass = (descriptor) => {
        const pass = beginComputePass.call(encoder, descriptor);
        for (const name of ["dispatchWorkgroups", "dispatchWorkgroupsIndirect"] as const) {
          const original = pass[name] as (...args: unknown[]) => undefined;
          Object.assign(pass, {
            [name]: (...args: unknown[]) => {
              dispatches++;
              return original.apply(pass, args);
            },
          });
        }
        return pass;
      };
      encoder.finish = (descriptor) => {
        const commands = finish.call(encoder, descriptor);
        encodings.set(commands, { number: ++encoded, dispatches });
        return commands;
      };
      return encoder;
    };
    const { submit } = gpu.queue;
    gpu.queue.submit = (buffers) => {
      for (const commands of buffers) {
        const encoding = encodings.get(commands)!;
        submitted = encoding.number;
        dispatches.push(encoding.dispatches);
      }
      return submit.call(gpu.queue, buffers);
    };
    const before = device.allocatedBytes;
    const perPass = 5 * llama.config.layers + 3;
    /** The dispatches of each submission. */
    const dispatched = async (run: Promise<unknown>) => {
      await run;
      const counts = dispatches;
      dispatches = [];
      return counts;
    };
    for (let i = 0; i < 4; i++) assert.equal(await dispatched(llama.decode(null, 20 + i, 1)), [perPass]);
    // Timers go off in order, and the queue's own was there first.
    await new Promise((resolve) => setTimeout(resolve, 1));
    const encodedBefore = encoded;
    assert.equal(await dispatched(llama.decode(null, 24, 1)), [perPass]);
    assert.ok(submitted <= encodedBefore, "what came twice is encoded before it is asked for");
    assert.equal(await dispatched(llama.decode(null, 25, 16)), [perPass, 15 * perPass], "the first step ahead");
    assert.equal(await dispatched(llama.verify(tokensOf(16), 41)), [perPass]);
    assert.equal(await dispatched(llama.verifyNext(tokensOf(3))), [perPass + 1], "what the one before accepts");
    assert.equal(await dispatched(llama.decode(null, 57, 4, 57)), [perPass, 3 * perPass]);
    assert.equal(await dispatched(llama.keep(57, 4)), [0]);
    llama.sample(sampling);
    assert.equal(await dispatched(llama.decode(null, 61, 1)), [perPass + 2], "the filters' threshold, and the noise");
    llama.sample({ ...sampling, topK: 0, topP: 1, minP: 0, seed: 2 });
    assert.equal(await dispatched(llama.decode(null, 62, 1)), [perPass + 1], "the noise");
    assert.equal(calls, []);
    assert.is(device.allocatedBytes, before);
    // The counters count: this makes a buffer.
    await llama.logits(1);
    assert.equal(calls, ["createBuffer"]);

    const long = await load(device, await openBytes(randomLlama({ ...SMALL, layers: 13 })));
    dispatches = [];
    assert.equal(await dispatched(long.verify(tokensOf(2), 0)), [9, 59], "an eighth ahead");
  },
);

await withDevice(
  "submissions of many kinds, in flight together and again and again, answer as one alone",
  async (device) => {
    const checkpoint = await openBytes(randomLlama(SMALL));
    const [alone, together] = [await load(device, checkpoint), await load(device, checkpoint)];
    const kinds = Array.from({ length: 12 }, (_, i) => tokensOf(i + 1, i));
    const expected: (readonly number[])[] = [];
    for (const tokens of kinds) expected.push((await alone.verify(tokens, 0)).tokens);
    for (let round = 0; round < 4; round++) {
      const answers = await Promise.all([...kinds, ...kinds].map((tokens) => together.verify(tokens, 0)));
      assert.equal(answers.map(({ tokens }) => tokens), [...expected, ...expected], `round ${round}`);
      // Now and then there is time to encode ahead.
      if (round % 2 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    }
  },
);

await withDevice("loading streams: no read is larger than a piece of a tensor", async (device) => {
  // Matrices of 16 MiB; zeros, for their random values would take long to make.
  const { metadata, tensors } = randomLlamaParts({
    ...SMALL,
    layers: 1,
    hidden: 512,
    feedForward: 32,
    type: "F32",
    metadata: [["llama.feed_forward_length", "u32", 8192]],
  });
  const large = tensors.map((tensor) => {
    if (!/ffn_(gate|up|down)/.test(tensor.name)) return tensor;
    const shape = tensor.shape.map((size) => size === 32 ? 8192 : size);
    return { ...tensor, shape, bytes: new Uint8Array(512 * 8192 * 4) };
  });
  const checkpoint = await openBytes(ggufFile(metadata, large));
  let largest = 0;
  let underWay = 0;
  let most = 0;
  for (const tensor of checkpoint.tensors.values()) {
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
  const config = await llamaConfig(checkpoint);
  await Llama.load(device, checkpoint, config, { capacity: 16, onBytes: (done, total) => heard.push(done / total) });
  assert.ok(largest > 2 ** 20 && largest <= 16 * 2 ** 20, `${largest} bytes read at once`);
  assert.ok(most <= 64 * 2 ** 20, `${most} bytes under way`);
  assert.ok(heard.every((share, i) => share > (heard[i - 1] ?? 0)), `${heard}`);
  assert.ok(heard.at(-1)! > 0.99 && heard.at(-1)! <= 1, `${heard.at(-1)}`);
});

for (const answered of [true, false]) {
  await withDevice(
    `a device lost ${answered ? "in mid-run" : "at once"} rejects what is pending and what comes later`,
    async (device, gpu) => {
      const llama = await load(device, await openBytes(randomLlama(SMALL)));
      const pending = [llama.decode(1, 0, 16)];
      // More than can be in flight.
      for (let i = 1; i < 24; i++) pending.push(llama.decode(null, 16, 16));
      const settled = Promise.allSettled(pending);
      if (answered) await pending[0];
      gpu.destroy();
      const errorOf = (result: PromiseSettledResult<unknown>) => result.status === "rejected" ? result.reason : null;
      const errors = (await settled).map(errorOf);
      if (answered) assert.is(errors[0], null);
      const lost = errors.filter((error) => error !== null);
      assert.ok(lost.length >= 4, `${lost.length} rejected`);
      for (const feed of [() => llama.verify([1], 0), () => llama.prefill(tokensOf(100), 0)]) {
        lost.push(await feed().then(() => null, (error) => error));
      }
      for (const error of lost) {
        assert.instance(error, DeviceLostError);
        assert.match(error.message, /^The test device \(.+\) was lost: [^\n]+$/);
      }
    },
    { endsLost: true },
  );
}

test.run();
