//! Development only: seeded chance for simulators, and the test of the floors.

mod random;

pub use random::{Random, simulate};
