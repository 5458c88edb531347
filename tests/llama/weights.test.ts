import { test } from "uvu";
import * as assert from "uvu/assert";
import { KernelContext } from "../../src/kernels/kernel-context.ts";
import { rowsVariant, splitVariant } from "../../src/kernels/kernel-variant.ts";
import { packedBytes, tileBytes, weightLayout } from "../../src/kernels/formats/weight-layout.ts";
import { loadMatrix, loadVector, matrixBytes } from "../../src/llama/weights.ts";
import {
  assertSameBits,
  lowerLimits,
  type MemoryTensor,
  memoryTensor,
  randomMatrix,
  randoms,
  readFloats,
  WEIGHT_TYPES,
} from "../kernels/kernel-fixture.ts";
import { withDevice } from "../with-device.ts";

const VARIANTS = [rowsVariant(8), rowsVariant(4), splitVariant()];

test("a matrix takes on the device what its file has, and padding", () => {
  for (const type of WEIGHT_TYPES) {
    const k = 512;
    // 45 weight rows: in tiles of 32, 16 or 4.
    const tensor = memoryTensor(type, k, randomMatrix(1, 45, k));
    for (const variant of VARIANTS) {
      const padded = Math.ceil(45 / variant.tileN) * variant.tileN;
      const bytes = matrixBytes({ name: "random", tensors: [tensor], arrangement: "concatenate" }, variant);
      const ratio = bytes / (padded * packedBytes(type, k));
      // Six-bit scales lie in bytes here: 16 in 12 bytes a block of 144; Q6_K's only half scale lies in a word; a scale
      // for more elements than a unit's 32 is repeated.
      // Codes of a codebook become bytes where invocations split N.
      const most = weightLayout(type, k, variant.tileN).expanded ? 2.1 : 1.1;
      assert.ok(ratio >= 1 && ratio < most, `${type}: ${ratio}`);
    }
  }
});

await withDevice("a vector is that of the file, in any format", async (device) => {
  for (const type of WEIGHT_TYPES) {
    const tensor = { ...memoryTensor(type, 256, randoms(1, 256)), shape: [256] };
    assertSameBits(type, await readFloats(device, await loadVector(device, tensor), 256), tensor.values);
  }
});

await withDevice("a matrix is cut where the device binds or dispatches no more", async (device) => {
  const k = 64;
  const tensor = memoryTensor("Q8_0", k, randomMatrix(1, 200, k));
  for (const variant of VARIANTS) {
    const plan = { name: "random", tensors: [tensor], arrangement: "concatenate" } as const;
    const { tileN } = variant;
    const tiles = Math.ceil(200 / tileN);
    const bytes = tileBytes(weightLayout("Q8_0", k, tileN));
    for (
      const [lower, partTiles] of [
        [{ maxStorageBufferBindingSize: bytes }, 1],
        [{ maxStorageBufferBindingSize: 4 * bytes - 1 }, 3],
        // Words for a texture are gathered in a buffer of whole texel rows of 64 KiB.
        ...(variant.memory.textures ? [] : [[{ maxBufferSize: 4 * bytes }, 4]] as const),
        [{ maxComputeWorkgroupsPerDimension: 2 }, 2],
        [{}, tiles],
      ] as const
    ) {
      const restore = lowerLimits(device, lower);
      const { parts } = await loadMatrix(new KernelContext(device, variant), plan, () => {});
      restore();
      const wanted = Array.from({ length: Math.ceil(tiles / partTiles) }, (_, i) => {
        const firstN = i * partTiles * tileN;
        const count = Math.min(partTiles, tiles - i * partTiles);
        return [firstN, Math.min(200 - firstN, count * tileN), i * partTiles, count];
      });
      assert.equal(
        parts.map(({ firstN, n, firstTile, tiles }) => [firstN, n, firstTile, tiles]),
        wanted,
      );
    }
  }
});

await withDevice("large tensors are read in pieces, and each byte once", async (device) => {
  // 36 MiB, in pieces of 8.
  const [n, k] = [9216, 1024];
  const reads: [offset: number, length: number][] = [];
  const bytes = n * packedBytes("F32", k);
  const tensor: MemoryTensor = {
    ...memoryTensor("F32", k, new Float32Array(k)),
    shape: [k, n],
    bytes,
    source: {
      name: "memory",
      size: 1000 + bytes,
      read: (offset, length) => {
        reads.push([offset, length]);
        return Promise.resolve(new Uint8Array(length));
      },
      close: () => Promise.resolve(),
    },
    offset: 1000,
  };
  let heard = 0;
  const plan = { name: "large", tensors: [tensor], arrangement: "concatenate" } as const;
  await loadMatrix(new KernelContext(device, splitVariant()), plan, (done) => heard += done);
  assert.is(heard, bytes);
  let end = 1000;
  for (const [offset, length] of reads) {
    assert.is(offset, end);
    assert.ok(length <= 8 * 2 ** 20, `${length}`);
    end += length;
  }
  assert.is(end, 1000 + bytes);
});

test.run();
