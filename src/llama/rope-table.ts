import type { Rope } from "../checkpoint/config.ts";

/**
 * Cosine and sine for each position and pair of a head's dimensions, times the magnitude, [positions][size / 4] x
 * (cos, sin, cos, sin), in float32 from doubles: `sin` on a device is not exact enough at position 8000.
 */
export function ropeTable(positions: number, { size, frequencies, magnitude }: Rope): Float32Array<ArrayBuffer> {
  const table = new Float32Array(positions * size);
  frequencies.forEach((frequency, pair) => {
    for (let position = 0; position < positions; position++) {
      table[position * size + pair * 2] = Math.cos(position * frequency) * magnitude;
      table[position * size + pair * 2 + 1] = Math.sin(position * frequency) * magnitude;
    }
  });
  return table;
}
