// Dawn's Node binding waits for the GPU by polling: it calls `setImmediate` again and again as long as any of its
// promises is pending. That keeps a core busy, the very core that a software adapter computes on, and each poll leaves
// a native function behind for the garbage collector. Dawn looks up the name `setImmediate` at each call, so a shim in
// its place can slow Dawn down. The shim lets Dawn poll at once for a while after a GPU got work. At other times the
// thread naps before a poll, and as long as no answer is due it naps without one. A timer in place of the nap would be
// late by 1 to 2 ms, which a verification can't hide. lab/kernels says what naps and polls cost.

/** Until this time, in ms of `performance.now()`, Dawn polls without pause. */
let polledUntilMs = 0;
/** The time at which each queue's next answer can come at the earliest, in ms of `performance.now()`. */
const dueMs = new Map<object, number>();

/** The thread sleeps for this time before a poll, in ms, once an answer is due. Meanwhile its core is free. */
const NAP_MS = 0.2;
/** The longest nap, in ms, while no answer is due. Timers and the consumer's own work wait until it is over. */
const LONG_NAP_MS = 1;
/** The longest time between two polls, in ms, while no answer is due: some answers are not told of. */
const LONGEST_PAUSE_MS = 4;
/** Nobody writes to this memory: waiting for a change of it, with a time limit, is how a thread sleeps. */
const napping = new Int32Array(new SharedArrayBuffer(4));

/** Lets Dawn poll without pause for the next `ms` milliseconds. */
export function pollFor(ms: number): void {
  polledUntilMs = Math.max(polledUntilMs, performance.now() + ms);
}

/**
 * Tells the shim when `queue`'s next answer can come at the earliest, in ms of `performance.now()`, or by `undefined`
 * that the queue waits for no answer.
 */
export function expectAnswer(queue: object, atMs: number | undefined): void {
  if (atMs === undefined) dueMs.delete(queue);
  else dueMs.set(queue, atMs);
}

/** How long it is until an answer can come, in ms; at most 0 where one is due, or none is told of. */
function untilDue(nowMs: number): number {
  return dueMs.size > 0 ? Math.min(...dueMs.values()) - nowMs : 0;
}

function nap(ms: number): void {
  Atomics.wait(napping, 0, 0, ms);
}

type Immediate = (callback: (...args: unknown[]) => void, ...args: unknown[]) => unknown;

/**
 * Puts the shim in the place of `globalThis.setImmediate`, and returns a function that takes the shim away again. The
 * shim slows down native functions that ask for themselves again while they run. Dawn's poll is the only one; all other
 * callbacks run as before.
 */
export function installPollShim(): () => void {
  const host = globalThis as unknown as { setImmediate: Immediate };
  const original = host.setImmediate;
  let polling = false;
  let napped = false;
  const shim: Immediate = (callback, ...args) => {
    if (!isNative(callback)) return original(callback, ...args);
    const isAgain = polling;
    const askedMs = performance.now();
    const poll = (): unknown => {
      const nowMs = performance.now();
      if (isAgain && nowMs > polledUntilMs) {
        const ms = untilDue(nowMs);
        if (ms <= 0) {
          // Dawn tells of an answer at the second poll after the answer came, so every other poll goes without a nap.
          napped = !napped;
          if (napped) nap(NAP_MS);
        } else if (nowMs < askedMs + LONGEST_PAUSE_MS) {
          nap(Math.min(ms, LONG_NAP_MS));
          return original(poll);
        }
      }
      polling = true;
      try {
        callback(...args);
      } finally {
        polling = false;
      }
    };
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
