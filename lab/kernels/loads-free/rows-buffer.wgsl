// Nothing is loaded.
@group(0) @binding(2) var<storage, read> x: array<vec4f>;

fn load_x(row: u32, quad: u32) -> vec4f { return vec4f(f32(quad + row)); }
