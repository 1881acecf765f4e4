//! `sluice.yaml`, and the release machine through its three functions.

mod config;
