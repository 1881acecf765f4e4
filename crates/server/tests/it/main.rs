//! The server as its users see it: real git, real HTTP, jobs on the host.

mod access;
#[path = "../../../registry/tests/it/age.rs"]
mod age;
mod gates;
mod groups;
mod jobs;
mod packages;
mod pages;
mod push;
mod registry;
mod registry_options;
mod restart;
mod world;
