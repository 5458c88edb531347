/**
 * Cosine and sine for each position and pair of a head's dimensions, [positions][headSize / 4] x (cos, sin, cos, sin),
 * in float32 from doubles: `sin` on a device is not exact enough at position 8000. Frequencies base^(-2i / dimension)
 * (arXiv 2104.09864), divided by `factors[i]` (Llama 3's long-context scaling, as GGUF stores it in rope_freqs.weight)
 * and by the linear `scale`.
 */
export function ropeTable(
  positions: number,
  rope: {
    readonly headSize: number;
    readonly base: number;
    readonly factors: Float32Array | null;
    readonly scale: number;
  },
): Float32Array<ArrayBuffer> {
  const pairs = rope.headSize / 2;
  const table = new Float32Array(positions * rope.headSize);
  for (let pair = 0; pair < pairs; pair++) {
    const frequency = rope.base ** (-pair / pairs) / (rope.factors?.[pair] ?? 1) / rope.scale;
    for (let position = 0; position < positions; position++) {
      table[position * rope.headSize + pair * 2] = Math.cos(position * frequency);
      table[position * rope.headSize + pair * 2 + 1] = Math.sin(position * frequency);
    }
  }
  return table;
}
