// Where the KV cache keeps a position: from `fork` on in the branch slots, which are its first BRANCH_SLOTS, and below
// `fork` in the main sequence behind them.
fn slot(position: u32) -> u32 { return select(position + BRANCH_SLOTS, position - step.fork, position >= step.fork); }
