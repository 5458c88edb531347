/**
 * Dawn's Node binding waits for the GPU by asking for another `setImmediate` as long as any of its promises is
 * pending. That keeps one core busy, the very core that a software adapter computes on. Dawn looks the name up each
 * time, so it can be given another one: poll at once for a while after a GPU was given work, else after a nap each
 * time, a longer one as long as no answer is due. A timer in place of the nap is late by 1 to 2 ms, which a
 * verification can't hide. lab/kernels has what naps cost.
 */
let polledUntilMs = 0;
const dueMs = new Map<object, number>();

/** Of the thread, between two polls: the core is free meanwhile. */
const NAP_MS = 0.2;
/** As long as no answer is due. Timers and the consumer's own work wait for it. */
const LONG_NAP_MS = 1;
const napping = new Int32Array(new SharedArrayBuffer(4));

/** From now on, for `ms` milliseconds at least, a waiting Dawn polls without pause. */
export function pollFor(ms: number): void {
  polledUntilMs = Math.max(polledUntilMs, performance.now() + ms);
}

/** Tells when `queue`'s next answer can come at the earliest, in ms of `performance.now()`; `undefined`: it waits for none. */
export function expectAnswer(queue: object, atMs: number | undefined): void {
  if (atMs === undefined) dueMs.delete(queue);
  else dueMs.set(queue, atMs);
}

/** Until the first answer is due; Dawn may wait for others that nobody told of. */
function napMs(nowMs: number): number {
  const untilDue = dueMs.size > 0 ? Math.min(...dueMs.values()) - nowMs : 0;
  return Math.min(Math.max(untilDue, NAP_MS), LONG_NAP_MS);
}

type Immediate = (callback: (...args: unknown[]) => void, ...args: unknown[]) => unknown;

/**
 * Puts the shim in the place of `globalThis.setImmediate` and returns the function that takes it away again. Of
 * others' calls none is changed: slowed down is only a native function that asks for itself again while it runs,
 * which is Dawn's.
 */
export function installPollShim(): () => void {
  const host = globalThis as unknown as { setImmediate: Immediate };
  const original = host.setImmediate;
  let polling = false;
  let napped = false;
  const shim: Immediate = (callback, ...args) => {
    if (!isNative(callback)) return original(callback, ...args);
    const poll = () => {
      polling = true;
      try {
        callback(...args);
      } finally {
        polling = false;
      }
    };
    const nowMs = performance.now();
    if (polling && nowMs > polledUntilMs) {
      const ms = napMs(nowMs);
      // Dawn tells of an answer at the second poll after it came.
      napped = ms > NAP_MS || !napped;
      if (napped) Atomics.wait(napping, 0, 0, ms);
    }
    return original(poll);
  };
  host.setImmediate = shim;
  return () => {
    if (host.setImmediate === shim) host.setImmediate = original;
  };
}

function isNative(callback: unknown): boolean {
  return Function.prototype.toString.call(callback).endsWith("{ [native code] }");
}
