/** A generator of numbers in [0, 1), by mulberry32 (T. Ettinger, 2017). Equal seeds give equal numbers. */
export function randomOf(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let h = Math.imul(seed ^ (seed >>> 15), seed | 1);
    h ^= h + Math.imul(h ^ (h >>> 7), h | 61);
    return ((h ^ (h >>> 14)) >>> 0) / 2 ** 32;
  };
}
