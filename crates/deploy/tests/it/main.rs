//! Rollouts through the deployer, with services that are real.

mod catalog;
mod docker;
mod host;
mod interrupted;
mod world;
