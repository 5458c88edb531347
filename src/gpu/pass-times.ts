import type { Device } from "./device.ts";

export interface PassTimes {
  /** The time from the submission until the device was idle, in ms. */
  readonly wallMs: number;
  /** The time of each pass by the device's own clock, in ms, or `null` where the device has no clock. */
  readonly passMs: readonly number[] | null;
}

/**
 * Runs compute passes in order, as one submission, and times each. For tools only: each call allocates buffers. Rejects
 * with the device's error where a pass is not valid or the device is lost.
 */
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
    // Where the device's clock was set back during a pass, its time is unknown and counts as 0.
    const passMs = passes.map((_, i) => Math.max(0, Number(times[2 * i + 1]! - times[2 * i]!) / 1e6));
    return { wallMs, passMs };
  } finally {
    querySet?.destroy();
    if (resolved) device.free([resolved]);
  }
}
