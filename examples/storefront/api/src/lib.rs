//! The storefront's API: orders in PostgreSQL, what is popular in a Redis cache, and who it is and whether it is well.

pub mod cache;
pub mod config;
pub mod problem;
pub mod routes;
pub mod store;
pub mod telemetry;
