//! The runtime APIs that GitHub's action toolkits call: caches (v2, and v1 for hosts that the toolkits take for GHES) and
//! artifacts (v4), with the blob storage behind both. One server a job, on loopback, with a token of the job's own.

mod artifacts;
mod blobs;
mod caches;
mod caches_v1;
mod facts;
mod range;
mod refusal;
mod server;
mod service;
mod token;
mod uploads;

pub use facts::Facts;
pub use server::Runtime;

#[cfg(test)]
mod tests;
