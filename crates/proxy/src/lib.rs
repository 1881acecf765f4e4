//! The reverse proxy data plane with its control socket. Never knows a release, an environment or a health path.
//!
//! It is a process of its own (`sluice proxy --state DIR`), so that what is deployed stays reachable while the
//! server is killed, restarted or replaced. Whoever controls it talks to a Unix socket in the state folder
//! through [`Control`].

mod answer;
mod command;
mod control;
mod forward;
mod headers;
mod link;
mod listener;
mod options;
mod orders;
mod route;
mod serve;
mod socket;
mod spawn;
mod state;
mod stream;
mod table;
mod tunnel;
mod upstream;
mod worker;

pub use command::{
    Drain, DrainReport, Install, OpenRoute, Refusal, RouteKey, RouteStatus, Status, UpstreamStatus,
};
pub use control::{Control, ControlError};
pub use options::{Limits, Options};
pub use serve::{ServeError, serve};
pub use spawn::{SpawnError, ensure_running, stop};
