//! One binary for all integration tests of this crate.

mod actions;
mod background;
mod checkout;
mod circleci;
mod container;
mod engine;
mod github;
mod killed;
mod left_behind;
mod masking;
mod problem_matchers;
mod support;
mod toolkits;
mod world;
