// One pass of the model over `rows` consecutive tokens; row i stands at position + i.
struct Step {
  position: u32,
  rows: u32,
  chosen_at: u32,  // where in `chosen` the tokens that the rows choose are written
  fork: u32,  // the first position that lies in the branch slots; see cache-slot.wgsl
}
