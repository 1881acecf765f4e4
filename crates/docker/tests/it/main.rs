//! One binary for all integration tests of this crate.

mod image;
mod lifecycle;
