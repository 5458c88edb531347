// Keys and values as 16-bit floats. pack2x16float is core WGSL, so this needs no shader-f16.
alias Quad = vec2u;
alias Octet = vec4u;
fn pack_quad(v: vec4f) -> Quad { return vec2u(pack2x16float(v.xy), pack2x16float(v.zw)); }
fn unpack_octet(o: Octet) -> array<vec4f, 2> {
  return array<vec4f, 2>(
    vec4f(unpack2x16float(o.x), unpack2x16float(o.y)), vec4f(unpack2x16float(o.z), unpack2x16float(o.w)));
}
