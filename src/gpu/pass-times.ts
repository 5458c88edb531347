import type { Device } from "./device.ts";

export interface PassTimes {
  /** From the submission to when the device was idle, in ms. */
  readonly wallMs: number;
  /** Of each pass by the device's own clock, in ms; null where it has none. */
  readonly passMs: readonly number[] | null;
}

/** Runs compute passes, in order, and times each. For tools: it allocates. */
export async function timePasses(
  device: Device,
  passes: readonly ((pass: GPUComputePassEncoder) => void)[],
): Promise<PassTimes> {
  const querySet = device.timestamps(2 * passes.length);
  const bytes = 16 * passes.length;
  const resolved = querySet
    ? device.buffer("pass times", bytes, GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC)
    : null;
  try {
    const encoder = device.encoder();
    for (const [i, encode] of passes.entries()) {
      const timestampWrites = querySet &&
        { querySet, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 };
      const pass = encoder.beginComputePass({ timestampWrites });
      encode(pass);
      pass.end();
    }
    if (querySet) encoder.resolveQuerySet(querySet, 0, 2 * passes.length, resolved!, 0);
    const submitMs = performance.now();
    device.queue.submit([encoder.finish()]);
    await device.idle();
    const wallMs = performance.now() - submitMs;
    if (!resolved) return { wallMs, passMs: null };
    const times = new BigUint64Array(await device.read(resolved, bytes));
    // A clock that was set back between the two tells nothing of the time.
    const passMs = passes.map((_, i) => Math.max(0, Number(times[2 * i + 1]! - times[2 * i]!) / 1e6));
    return { wallMs, passMs };
  } finally {
    querySet?.destroy();
    if (resolved) device.free([resolved]);
  }
}
