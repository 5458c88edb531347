// Keys and values as 32-bit floats.
alias Quad = vec4f;
alias Octet = array<vec4f, 2>;
fn pack_quad(v: vec4f) -> Quad { return v; }
fn unpack_octet(o: Octet) -> array<vec4f, 2> { return o; }
