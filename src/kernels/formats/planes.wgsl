// Where a weight matrix keeps a unit: 32 elements of k, for four weight rows, a quad. A matrix holds a plane of quants,
// then one of scales, then one of super-block scales, all in 16-byte words whose component i belongs to row i of the
// quad. See weight-layout.ts.
// A format's own file, which stands behind this one, says by constants how its unit is read:
//   HALVES       parts of a unit that have a scale (and a minimum) of their own: 1, or 2 of 16 elements
//   SCALED       whether there are scales;  MINIMUMS  whether there are minimums
// From weight-layout.ts come UNIT_WORDS, the words of a unit's quants in all, and FIRST_WORDS, those that stand
// together: the octets' words, read octet by octet, or fewer than four, which a format reads once for the unit as it
// does the words behind them.
// A tile is the TILE_N weight rows that a workgroup owns; tile_quad says which quad of them an invocation has.
const TILE_QUADS = TILE_N / 4u;
const OCTET_WORDS = FIRST_WORDS / 4u;
var<private> tile: u32;
var<private> tile_quad: u32;

// Where a word of quants is, if the invocations of a workgroup walk along k: the quads of the tile side by side. The
// first words of each unit stand together, a power of two of them, so that a compiler sees that their indices differ in
// the low bits alone; the rest stand behind those of all units.
fn interleaved_index(unit: u32, word: u32) -> u32 {
  const REST_WORDS = UNIT_WORDS - FIRST_WORDS;
  let at = select(
    (UNITS * FIRST_WORDS + unit * REST_WORDS) + (word - FIRST_WORDS), unit * FIRST_WORDS + word, word < FIRST_WORDS,
  );
  return (tile * (UNITS * UNIT_WORDS) + at) * TILE_QUADS + tile_quad;
}

fn quant_word(unit: u32, word: u32) -> vec4u { return load_word(quant_index(unit, word)); }

fn wide_scale(unit: u32) -> vec4u { return load_word(SCALES_AT + (tile * UNITS + unit) * TILE_QUADS + tile_quad); }

fn narrow_scale(unit: u32) -> vec2u {
  let pair = load_word(SCALES_AT + (tile * ((UNITS + 1u) / 2u) + unit / 2u) * TILE_QUADS + tile_quad);
  return select(pair.xy, pair.zw, unit % 2u == 1u);
}

fn super_scale(unit: u32) -> vec4u {
  return load_word(SUPERS_AT + (tile * (UNITS / 8u) + unit / 8u) * TILE_QUADS + tile_quad);
}

// Four 16-bit floats, one for each weight row.
fn halves(pair: vec2u) -> vec4f { return vec4f(unpack2x16float(pair.x), unpack2x16float(pair.y)); }

// The low, or the high, 16-bit float of each weight row's word.
fn low_halves(w: vec4u) -> vec4f {
  return vec4f(unpack2x16float(w.x).x, unpack2x16float(w.y).x, unpack2x16float(w.z).x, unpack2x16float(w.w).x);
}
fn high_halves(w: vec4u) -> vec4f { return low_halves(w >> vec4u(16u)); }

// Four bfloat16, one for each weight row.
fn brain_floats(pair: vec2u) -> vec4f {
  return bitcast<vec4f>(vec4u(pair.x << 16u, pair.x, pair.y << 16u, pair.y) & vec4u(0xffff0000u));
}

// The low bytes (shift 0) or the high ones (shift 8) of two for each weight row.
fn scale_bytes(pair: vec2u, shift: u32) -> vec4u {
  return (vec4u(pair.x, pair.x >> 16u, pair.y, pair.y >> 16u) >> vec4u(shift)) & vec4u(255u);
}

fn signed_scale_bytes(pair: vec2u, shift: u32) -> vec4i {
  return bitcast<vec4i>(scale_bytes(pair, shift) << vec4u(24u)) >> vec4u(24u);
}

alias Words = array<vec4u, max(OCTET_WORDS, 1u)>;

// The words of elements octet * 8 .. + 7.
fn load_octet(unit: u32, octet: u32) -> Words {
  var words = Words();
  for (var i = 0u; i < OCTET_WORDS; i++) { words[i] = quant_word(unit, octet * OCTET_WORDS + i); }
  return words;
}
