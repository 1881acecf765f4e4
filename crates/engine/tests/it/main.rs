//! The run machine through its three functions.

mod calls;
mod cancel;
mod gates;
mod groups;
mod groups_simulator;
mod jobs;
mod leases;
mod live;
mod matrix;
mod rerun;
mod simulator;

mod spelling;
mod unsupported;
