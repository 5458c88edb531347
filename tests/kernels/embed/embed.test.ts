import { test } from "uvu";
import * as assert from "uvu/assert";
import { createEmbed } from "../../../src/kernels/embed/embed.ts";
import { PACKINGS, tileBytes, weightLayout } from "../../../src/kernels/formats/weight-layout.ts";
import { loadMatrix } from "../../../src/llama/weights.ts";
import { withDevice } from "../../with-device.ts";
import {
  assertClose,
  limitBindings,
  memoryTensor,
  randomMatrix,
  randoms,
  read,
  readFloats,
  StepBuffer,
  VARIANT_CASES,
} from "../kernel-fixture.ts";

const VOCABULARY = 75;
const BRANCH_SLOTS = 3;
/** Tokens of both parts, the first and the last one, one twice. */
const TOKENS = [74, 0, 31, 63, 64, 31, 2];

for (const { title, adapter, types, contextOf } of VARIANT_CASES) {
  await withDevice(`${title}: an embedding is the token's weight row of the file`, async (device) => {
    const context = contextOf(device);
    const { tileN } = context.variant;
    for (const type of types) {
      // An odd number of units (of super-blocks).
      const hidden = PACKINGS[type].elements > 32 ? 768 : 96;
      const tensor = memoryTensor(type, hidden, randomMatrix(1, VOCABULARY, hidden));
      const limit = Math.ceil(50 / tileN) * tileBytes(weightLayout(type, hidden, tileN));
      const restore = limitBindings(device, limit);
      const plan = { name: "embedding", tensors: [tensor], arrangement: "concatenate" } as const;
      const matrix = await loadMatrix(context, plan, () => {});
      restore();
      assert.is(matrix.parts.length, 2);
      const norm = randoms(2, hidden, 0.5, 1.5);
      const room = 16;
      const residual = device.storage("residual", room * hidden * 4);
      const weighted = context.createRows("weighted", room, hidden);
      const squares = device.storage("squares", room * hidden / tileN * 4);
      const step = new StepBuffer(device);
      const tokens = device.upload("tokens", new Uint32Array(TOKENS));
      const history = device.storage("history", 4 * (BRANCH_SLOTS + TOKENS.length));
      const buffers = [tokens, device.upload("norm", norm), weighted, residual, squares, history];
      step.run(await createEmbed(context, matrix, step.buffer, BRANCH_SLOTS, buffers), TOKENS.length);
      const held = new Uint32Array(await read(device, history, history.size)).slice(0, BRANCH_SLOTS + TOKENS.length);
      assert.equal([...held], [...Array(BRANCH_SLOTS).fill(0), ...TOKENS], "each token in its slot");

      const wanted = new Float64Array(room * hidden);
      TOKENS.forEach((token, i) =>
        wanted.set(tensor.values.subarray(token * hidden, (token + 1) * hidden), i * hidden)
      );
      const sums = new Float64Array(room * hidden / tileN);
      wanted.forEach((value, i) => sums[Math.floor(i / tileN)]! += value * value);
      assertClose(type, await readFloats(device, residual, room * hidden), wanted, 0, 3e-7);
      const weightedWanted = wanted.map((value, i) => value * norm[i % hidden]!);
      assertClose(`${type}, weighted`, await readFloats(device, weighted, room * hidden), weightedWanted, 0, 3e-7);
      assertClose(`${type}, squares`, await readFloats(device, squares, sums.length), sums, 0, 5e-6);
    }
  }, { adapter });
}

test.run();
