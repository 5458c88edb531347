/**
 * Dawn's Node binding waits for the GPU by asking for another `setImmediate` as long as any of its promises is
 * pending. That keeps one core busy, the very core that a software adapter computes on. Dawn looks the name up each
 * time, so it can be given another one: poll at once for a while after each piece of work was submitted, then after a
 * nap each time. A timer of 1 ms in place of the nap is late by 1 to 2 ms, which a verification can't hide: with naps `amusd` of the embedded
 * pair has 2.3 to 3.3 ms between two verifications, with the timer 3.3 to 5 (medians; lavapipe, 2026-11-25).
 */
let polledUntilMs = 0;

/** Of the thread, between two polls: the core is free meanwhile. */
const NAP_MS = 0.2;
const napping = new Int32Array(new SharedArrayBuffer(4));

/** From now on, for `ms` milliseconds at least, a waiting Dawn polls without pause. */
export function pollFor(ms: number): void {
  polledUntilMs = Math.max(polledUntilMs, performance.now() + ms);
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
    if (polling && performance.now() > polledUntilMs) Atomics.wait(napping, 0, 0, NAP_MS);
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
