import { test } from "uvu";
import * as assert from "uvu/assert";
import { encodeKernel } from "../../../src/kernels/kernel.ts";
import { KernelContext } from "../../../src/kernels/kernel-context.ts";
import { CHOSEN_BYTES, createAccept } from "../../../src/kernels/sampling/argmax.ts";
import { withDevice } from "../../with-device.ts";

await withDevice("the next pass begins behind the tokens that equal those chosen in their places", async (device) => {
  const [position, chosenAt] = [40, 2];
  // The step is written by this kernel, so its buffer is a storage buffer, too.
  const { STORAGE, COPY_DST, COPY_SRC } = GPUBufferUsage;
  for (
    const [fed, picked, accepted] of [
      [[5], [6], 0],
      [[5, 6, 7], [6, 7, 8], 2],
      [[5, 6, 7], [6, 9, 8], 1],
      [[5, 1, 7], [6, 7, 8], 0],
      // A later one that happens to be right again counts for nothing.
      [[5, 6, 1, 8], [6, 7, 8, 9], 1],
    ] as const
  ) {
    const step = device.buffer("step", 16, STORAGE | COPY_DST | COPY_SRC);
    const tokens = device.upload("tokens", new Uint32Array(fed));
    const chosen = new Uint32Array((chosenAt + picked.length) * CHOSEN_BYTES / 4);
    picked.forEach((token, i) => chosen[(chosenAt + i) * CHOSEN_BYTES / 4] = token);
    const kernel = await createAccept(new KernelContext(device), [step, device.upload("chosen", chosen), tokens]);
    device.queue.writeBuffer(step, 0, new Uint32Array([position, fed.length, chosenAt, 99]));
    const encoder = device.encoder();
    const pass = encoder.beginComputePass();
    encodeKernel(pass, kernel, 1);
    pass.end();
    device.queue.submit([encoder.finish()]);
    const words = async (buffer: GPUBuffer) => [...new Uint32Array(await device.read(buffer, 16))];
    assert.equal(await words(step), [position + accepted + 1, fed.length, chosenAt, 99]);
    assert.equal((await words(tokens)).slice(0, fed.length), [picked[accepted], ...fed.slice(1)]);
  }
});

test.run();
