//! The run machine through its three functions.

mod jobs;
mod live;
