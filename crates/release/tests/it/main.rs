//! `sluice.yaml`, and the release machine through its three functions.

mod approvals;
mod config;
mod live;
mod promotions;
mod releases;
mod rollbacks;
mod simulator;

mod spelling;
mod variables;
