// Top-k, then top-p: finds the last token that they keep of a row, in the order by falling logit and rising token. It
// is found by binary search over the logits' keys (key_of), then over the token ids among ties; nothing is sorted.
// min-p is applied in is_kept.
// Grid: (1, M).
// Order of summation: an invocation adds the tokens of every INVOCATIONS-th tile, then the invocations' sums are added
// by a tree; so a longer list of tokens has no smaller sum.
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<uniform> sampling: Sampling;
@group(0) @binding(2) var<storage, read> logits: array<f32>;  // [M][VOCABULARY]
@group(0) @binding(3) var<storage, read> argmax_tiles: array<ArgmaxTile>;  // [M][TILES], of epilogue-logits.wgsl
@group(0) @binding(4) var<storage, read_write> cutoffs: array<Cutoff>;  // [M]

const ALL = 0xffffffffu;
var<workgroup> counts: array<u32, INVOCATIONS>;
var<workgroup> masses: array<f32, INVOCATIONS>;
var<private> invocation: u32;
var<private> row: u32;
var<private> high: f32;

// A list of tokens: how many there are, and the sum of exp((logit - high) / temperature).
struct Size { count: u32, mass: f32 }

// The size of the list of the tokens with a larger key, and of those with this key up to `last`.
fn size_of(key: u32, last: u32) -> Size {
  var size = Size();
  for (var tile = invocation; tile < TILES; tile += INVOCATIONS) {
    if (key_of(argmax_tiles[row * TILES + tile].score) < key) { continue; }
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
  counts[invocation] = size.count;
  masses[invocation] = size.mass;
  workgroupBarrier();
  for (var half = INVOCATIONS / 2u; half > 0u; half /= 2u) {
    if (invocation < half) {
      counts[invocation] += counts[invocation + half];
      masses[invocation] += masses[invocation + half];
    }
    workgroupBarrier();
  }
  return Size(workgroupUniformLoad(&counts[0]), workgroupUniformLoad(&masses[0]));
}

// The end of the shortest list that has `count` tokens and the mass `mass`, in a row whose largest logit is `top`; the
// end of the whole row if no list has.
fn shortest(top: f32, count: u32, mass: f32) -> Cutoff {
  // The list down to the key `short` is too short, and has `outside` tokens; that down to `key` has `inside`. First
  // `key` goes down by steps that double, so that few lists are long, then comes bisection.
  var short = key_of(top) + 1u;
  var outside = 0u;
  var key = short - 1u;
  var inside = 0u;
  for (var stride = 1u << 18u; ; stride *= 2u) {
    let size = size_of(key, ALL);
    inside = size.count;
    if (inside >= count && size.mass >= mass) { break; }
    if (key == 0u) { return Cutoff(0u, ALL, top); }
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
  return Cutoff(key, last, top);
}

@compute @workgroup_size(INVOCATIONS)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) index: u32) {
  invocation = index;
  row = group.y;
  var mine = LOWEST;
  for (var tile = invocation; tile < TILES; tile += INVOCATIONS) {
    mine = max(mine, argmax_tiles[row * TILES + tile].score);
  }
  masses[invocation] = mine;
  workgroupBarrier();
  for (var half = INVOCATIONS / 2u; half > 0u; half /= 2u) {
    if (invocation < half) { masses[invocation] = max(masses[invocation], masses[invocation + half]); }
    workgroupBarrier();
  }
  let top = workgroupUniformLoad(&masses[0]);
  high = top;
  var cutoff = Cutoff(0u, ALL, top);
  if (sampling.top_k > 0u) { cutoff = shortest(top, sampling.top_k, 0.0); }
  if (sampling.top_p < 1.0) { cutoff = shortest(top, 1u, sampling.top_p * size_of(cutoff.key, cutoff.token).mass); }
  if (invocation == 0u) { cutoffs[row] = cutoff; }
}
