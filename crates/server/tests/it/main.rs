//! The server as its users see it: real git, real HTTP, jobs on the host.

mod access;
mod gates;
mod jobs;
mod pages;
mod push;
mod restart;
mod world;
