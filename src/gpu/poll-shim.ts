/**
 * Dawn's Node binding waits for the GPU by asking for another `setImmediate` as long as any of its promises is
 * pending. That keeps one core busy, the very core that a software adapter computes on. Dawn looks the name up each
 * time, so it can be given another one: poll at once for a while after each piece of work was submitted, then once a
 * millisecond.
 */
let polledUntilMs = 0;

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
    return polling && performance.now() > polledUntilMs ? setTimeout(poll, 1) : original(poll);
  };
  host.setImmediate = shim;
  return () => {
    if (host.setImmediate === shim) host.setImmediate = original;
  };
}

function isNative(callback: unknown): boolean {
  return Function.prototype.toString.call(callback).endsWith("{ [native code] }");
}
