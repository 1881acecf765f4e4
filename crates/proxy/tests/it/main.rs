//! The proxy through its control socket and its ports.

mod control;
mod forwarding;
mod limits;
mod process;
mod support;
mod switching;
