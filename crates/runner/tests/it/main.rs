//! One binary for all integration tests of this crate.

mod circleci;
mod container;
mod github;
mod left_behind;
mod masking;
mod support;
mod world;
