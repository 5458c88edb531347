import type { Rope } from "../checkpoint/config.ts";

/**
 * Cosine and sine for each position and pair of a head's dimensions, times the magnitude, [positions][headSize / 4] x
 * (cos, sin, cos, sin), in float32 from doubles: `sin` on a device is not exact enough at position 8000. The pairs that
 * RoPE leaves alone turn by nothing: 1 and 0.
 */
export function ropeTable(positions: number, headSize: number, rope: Rope): Float32Array<ArrayBuffer> {
  const table = new Float32Array(positions * headSize);
  for (let pair = 0; pair < headSize / 2; pair++) {
    const isTurned = 2 * pair < rope.size;
    const frequency = isTurned ? rope.frequencies[pair]! : 0;
    const magnitude = isTurned ? rope.magnitude : 1;
    for (let position = 0; position < positions; position++) {
      table[position * headSize + pair * 2] = Math.cos(position * frequency) * magnitude;
      table[position * headSize + pair * 2 + 1] = Math.sin(position * frequency) * magnitude;
    }
  }
  return table;
}
