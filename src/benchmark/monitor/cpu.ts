import os from "node:os";
import process from "node:process";
import type { Source } from "./reading.ts";

/**
 * CPU time and memory of this process, all its threads together: software lanes compute in it, and the host does little
 * beside them. Utilisation is the share of `threads`, those that the lanes have; it is 1 where the host's own work
 * comes on top.
 */
export function processSource(threads: number, nowMs: number): Source {
  const seconds = () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  };
  const share = shareSince(seconds(), threads * nowMs / 1000);
  return (nowMs) => ({
    utilization: share(seconds(), threads * nowMs / 1000),
    memoryBytes: process.memoryUsage().rss,
    powerWatts: null,
  });
}

/** CPU time and memory of the whole machine, for a process that watches others. */
export function machineSource(): Source {
  const times = () => {
    const all = os.cpus().map(({ times }) => times);
    const idle = all.reduce((sum, { idle }) => sum + idle, 0);
    const total = all.reduce((sum, { user, nice, sys, idle, irq }) => sum + user + nice + sys + idle + irq, 0);
    return { busy: total - idle, total };
  };
  const before = times();
  const share = shareSince(before.busy, before.total);
  return () => {
    const { busy, total } = times();
    return { utilization: share(busy, total), memoryBytes: os.totalmem() - os.freemem(), powerWatts: null };
  };
}

/** The threads that this number of software lanes have together, as `chooseAdapters` deals them out. */
export function laneThreads(lanes: number): number {
  const cpus = os.availableParallelism();
  const each = Number(process.env.LP_NUM_THREADS) || Math.max(1, Math.floor(cpus / lanes));
  return Math.min(cpus, lanes * each);
}

/** Returns a function that tells the busy share of the time since its last call, 0 to 1; null if none has passed. */
export function shareSince(busy: number, total: number): (busy: number, total: number) => number | null {
  return (busyNow, totalNow) => {
    const share = totalNow > total ? Math.min(1, Math.max(0, (busyNow - busy) / (totalNow - total))) : null;
    [busy, total] = [busyNow, totalNow];
    return share;
  };
}
