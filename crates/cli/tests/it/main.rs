//! The binary as a person calls it.

mod actions;
mod cases;
mod delivery;
mod docs;
mod groups;
mod help;
mod history;
mod looking_inside;
mod reading;
mod readme;
mod repository;
mod running;
mod sample;
mod server;
