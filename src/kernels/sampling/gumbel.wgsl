// Makes each logit its token's score: logit / temperature + Gumbel noise keyed by (seed, position, token). The token
// with the largest score is a draw from softmax(logits / temperature) (arXiv 1611.01144). Tokens that the filters leave
// out, and those with the logit LOWEST, have the score LOWEST. Leaves each tile's best, as epilogue-logits.wgsl does,
// and NO_TOKEN where that has left it.
// Grid: (ceil(TILES / 64), M); an invocation has a tile.
// Order of summation: that of the tile's tokens.
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<uniform> sampling: Sampling;
@group(0) @binding(2) var<storage, read> cutoffs: array<Cutoff>;  // [M], of top-k-top-p.wgsl
@group(0) @binding(3) var<storage, read_write> scores: array<f32>;  // [M][VOCABULARY]; logits before
@group(0) @binding(4) var<storage, read_write> argmax_tiles: array<ArgmaxTile>;  // [M][TILES]

// pcg3d (Jarzynski and Olano, "Hash Functions for GPU Rendering", JCGT 9(3), 2020).
fn hash(key: vec3u) -> vec3u {
  var v = key * 1664525u + 1013904223u;
  v.x += v.y * v.z;
  v.y += v.z * v.x;
  v.z += v.x * v.y;
  v ^= v >> vec3u(16u);
  v.x += v.y * v.z;
  v.y += v.z * v.x;
  v.z += v.x * v.y;
  return v;
}

// -log(-log(1 - v)) for v uniform in (0, 1). The smallest v give the large noises, which win, so these have a float's
// full precision. The inner log is a series, since WGSL's may err by 2^-21 near 1 (and on llvmpipe two of them take
// five times as long as one).
fn gumbel(position: u32, token: u32) -> f32 {
  let bits = hash(vec3u(sampling.seed, position, token));
  let low = bits.x < 0x80000000u;
  // v, or 1 - v where v is above a half.
  let u = fma(f32(select(~bits.x, bits.x, low)), 0x1p-32, fma(f32(bits.y), 0x1p-64, 0x1p-65));
  // u = m * 2^-halvings, m in [0.5, 1).
  let m = bitcast<f32>((bitcast<u32>(u) & 0x7fffffu) | 0x3f000000u);
  let halvings = select(f32(126u - (bitcast<u32>(u) >> 23u)), 0.0, low);
  // -log(1 - u) = 2 atanh(u / (2 - u)), -log(m) = 2 atanh((1 - m) / (1 + m)).
  let s = select(1.0 - m, u, low) / select(1.0 + m, 2.0 - u, low);
  let z = s * s;
  var series = fma(z, 1.0 / 13.0, 1.0 / 11.0);
  series = fma(z, series, 1.0 / 9.0);
  series = fma(z, series, 1.0 / 7.0);
  series = fma(z, series, 1.0 / 5.0);
  series = fma(z, series, 1.0 / 3.0);
  series = fma(z, series, 1.0);
  return -log(fma(halvings, 0.69314718, 2.0 * s * series));
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let tile = id.x;
  let row = id.y;
  if (tile >= TILES || argmax_tiles[row * TILES + tile].token == NO_TOKEN) { return; }
  let cutoff = cutoffs[row];
  let first = tile * TILE_TOKENS;
  var best = ScoredToken(LOWEST, first);
  for (var token = first; token < min(first + TILE_TOKENS, VOCABULARY); token++) {
    let logit = scores[row * VOCABULARY + token];
    var score = LOWEST;
    if (is_kept(cutoff, logit, token)) {
      score = fma(logit, sampling.inverse_temperature, gumbel(step.position + row + 1u, token));
    }
    scores[row * VOCABULARY + token] = score;
    best = better(best, ScoredToken(score, token));
  }
  var sum = 0.0;
  for (var token = first; token < min(first + TILE_TOKENS, VOCABULARY); token++) {
    sum += exp(scores[row * VOCABULARY + token] - best.score);
  }
  argmax_tiles[row * TILES + tile] = ArgmaxTile(best.score, best.token, sum);
}
