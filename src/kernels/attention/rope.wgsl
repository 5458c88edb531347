// RoPE (arXiv 2104.09864) on pairs 2i, 2i + 1, the order in which GGUF stores them; of a layer without it, nothing.
@group(0) @binding(4) var<storage, read> rope: array<vec4f>;  // [position][HEAD_SIZE / 4]: cos, sin, cos, sin

// `y` is elements n to n + 3 of the queries or keys of a position.
fn turned(position: u32, n: u32, y: vec4f) -> vec4f {
  let turn = select(vec4f(1.0, 0.0, 1.0, 0.0), rope[position * (HEAD_SIZE / 4u) + (n % HEAD_SIZE) / 4u], ROTATES);
  return vec4f(
    fma(y.x, turn.x, -(y.y * turn.y)), fma(y.x, turn.y, y.y * turn.x),
    fma(y.z, turn.z, -(y.w * turn.w)), fma(y.z, turn.w, y.w * turn.z),
  );
}
