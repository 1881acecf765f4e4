#![no_main]
//! A range lies within its blob, and a chunk's end is after its beginning.

use libfuzzer_sys::fuzz_target;
use sluice_registry::range::{Wanted, chunk, wanted};

fuzz_target!(|input: (u64, &str)| {
    let (size, text) = input;
    match wanted(Some(text), size) {
        Wanted::Part(part) => assert!(part.start < part.end && part.end <= size),
        Wanted::All | Wanted::Unsatisfiable => {}
    }
    if let Some((first, count)) = chunk(text) {
        assert!(count > 0 && first.checked_add(count - 1).is_some());
    }
});
