use serde::{Deserialize, Serialize};

/// The longest that a job waits for a `serial-group` (CircleCI, "Controlling serial execution across your organization",
/// Time limits).
pub const MAX_SERIAL_WAIT_MS: i64 = 5 * 60 * 60 * 1_000;

/// What whoever joins a group does to those that are there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Policy {
    /// GitHub's default: it takes the place of all that wait; `cancel-in-progress` stops the holder too.
    Replace { cancel_in_progress: bool },
    /// GitHub's `queue: max`: it waits behind those that wait.
    Queue,
    /// CircleCI's `serial-group`: it waits behind those that wait, unless one of a later pipeline of its own
    /// repository is there already; and not for ever.
    Serial { pipeline: u64 },
}
