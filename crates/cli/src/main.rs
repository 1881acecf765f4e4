//! The `sluice` binary: one file a verb. Decides nothing.

fn main() {}
