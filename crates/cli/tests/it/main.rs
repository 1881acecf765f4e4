//! The binary as a person calls it.

mod help;
mod reading;
mod repository;
