// Where the cache keeps a position: rows from `fork` on are in the strip, its first BRANCH_SLOTS slots, and all others in the trunk behind it.
fn slot(position: u32) -> u32 { return select(position + BRANCH_SLOTS, position - step.fork, position >= step.fork); }
