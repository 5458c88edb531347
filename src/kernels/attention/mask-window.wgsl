// What a row sees: the last WINDOW positions, its own included (sliding window, arXiv 2004.05150).
fn first_seen(own: u32) -> u32 { return own + 1u - min(own + 1u, WINDOW); }
fn sees(own: u32, position: u32) -> bool { return position <= own && position + WINDOW > own; }
