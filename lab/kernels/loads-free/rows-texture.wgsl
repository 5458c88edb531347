// Nothing is loaded.
@group(0) @binding(2) var x: texture_storage_2d<rgba32float, read>;

fn load_x(row: u32, quad: u32) -> vec4f { return vec4f(f32(quad + row)); }
