// What a row sees: the last WINDOW positions, its own included (sliding window, arXiv 2004.05150). The difference of a
// position behind its own is below zero, so as a u32 it is larger than any window. One comparison, for SwiftShader is
// slow to compile the branches of an `&&`.
fn first_seen(own: u32) -> u32 { return own + 1u - min(own + 1u, WINDOW); }
fn sees(own: u32, position: u32) -> bool { return own - position < WINDOW; }
