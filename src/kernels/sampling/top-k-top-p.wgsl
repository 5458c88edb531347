// How many of a row's tokens the filters leave, of the order by falling logit and rising token: the k likeliest, then, of these, the likeliest that
// together reach the share p; by search over the logits' keys, then over the tokens that tie. gumbel.wgsl leaves out those below min-p itself.
// Grid: (1, rows). Order of summation: a lane adds its tiles' tokens, every LANES-th tile, then a tree; so a longer list has no smaller sum.
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<uniform> sampling: Sampling;
@group(0) @binding(2) var<storage, read> logits: array<f32>;  // [row][VOCABULARY]
@group(0) @binding(3) var<storage, read> bests: array<TileBest>;  // [row][TILES], of epilogue-logits.wgsl
@group(0) @binding(4) var<storage, read_write> cuts: array<Cut>;  // [row]

const ALL = 0xffffffffu;
var<workgroup> counts: array<u32, LANES>;
var<workgroup> masses: array<f32, LANES>;
var<private> lane: u32;
var<private> row: u32;
var<private> high: f32;

// The tokens with a larger key, and those with this key up to `last`: how many there are, and the sum of exp((logit - high) / temperature).
struct Size { count: u32, mass: f32 }

fn size_of(key: u32, last: u32) -> Size {
  var size = Size();
  for (var tile = lane; tile < TILES; tile += LANES) {
    if (key_of(bests[row * TILES + tile].score) < key) { continue; }
    let first = tile * TILE_TOKENS;
    for (var token = first; token < min(first + TILE_TOKENS, VOCABULARY); token++) {
      let logit = logits[row * VOCABULARY + token];
      let own = key_of(logit);
      if (own > key || (own == key && token <= last)) {
        size.count++;
        size.mass += exp((logit - high) * sampling.inverse_temperature);
      }
    }
  }
  counts[lane] = size.count;
  masses[lane] = size.mass;
  workgroupBarrier();
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    if (lane < half) {
      counts[lane] += counts[lane + half];
      masses[lane] += masses[lane + half];
    }
    workgroupBarrier();
  }
  return Size(workgroupUniformLoad(&counts[0]), workgroupUniformLoad(&masses[0]));
}

// The shortest list that has `count` tokens and the mass `mass`, of a row whose largest logit is `top`; all tokens if none has.
fn shortest(top: f32, count: u32, mass: f32) -> Cut {
  // Lists down to `short` are too short, the longest of them has `outside` tokens; that down to `key` has `inside`. First steps down that
  // double, so that few lists are long, then bisection.
  var short = key_of(top) + 1u;
  var outside = 0u;
  var key = short - 1u;
  var inside = 0u;
  for (var stride = 1u << 18u; ; stride *= 2u) {
    let size = size_of(key, ALL);
    inside = size.count;
    if (inside >= count && size.mass >= mass) { break; }
    if (key == 0u) { return Cut(0u, ALL, top); }
    short = key;
    outside = inside;
    key -= select(key, stride, stride > 0u && stride < key);
  }
  while (short - key > 1u && inside > outside + 1u) {
    let middle = key + (short - key) / 2u;
    let size = size_of(middle, ALL);
    if (size.count >= count && size.mass >= mass) {
      key = middle;
      inside = size.count;
    } else {
      short = middle;
      outside = size.count;
    }
  }
  var last = ALL;
  if (inside > outside + 1u) {
    last = (2u << firstLeadingBit(VOCABULARY)) - 1u;
    for (var bit = 1u << firstLeadingBit(VOCABULARY); bit > 0u; bit >>= 1u) {
      let size = size_of(key, last - bit);
      if (size.count >= count && size.mass >= mass) { last -= bit; }
    }
  }
  return Cut(key, last, top);
}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
  lane = index;
  row = group.y;
  var mine = LOWEST;
  for (var tile = lane; tile < TILES; tile += LANES) { mine = max(mine, bests[row * TILES + tile].score); }
  masses[lane] = mine;
  workgroupBarrier();
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    if (lane < half) { masses[lane] = max(masses[lane], masses[lane + half]); }
    workgroupBarrier();
  }
  let top = workgroupUniformLoad(&masses[0]);
  high = top;
  var cut = Cut(0u, ALL, top);
  if (sampling.top_k > 0u) { cut = shortest(top, sampling.top_k, 0.0); }
  if (sampling.top_p < 1.0) { cut = shortest(top, 1u, sampling.top_p * size_of(cut.key, cut.token).mass); }
  if (lane == 0u) { cuts[row] = cut; }
}
