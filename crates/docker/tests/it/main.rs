//! One binary for all integration tests of this crate.

mod image;
mod lifecycle;
mod passing;
mod socket;
