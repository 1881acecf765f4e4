//! The binary as a person calls it.

mod actions;
mod at_a_terminal;
mod cases;
mod delivery;
mod docs;
mod groups;
mod help;
mod history;
mod image;
mod killed;
mod looking_inside;
mod orbs;
mod reading;
mod readme;
mod repository;
mod running;
mod sample;
mod server;
mod ssh_keys;
mod terminal;
mod under_way;
