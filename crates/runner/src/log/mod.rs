//! Everything that a job says passes through here, masked.

mod job_log;
mod mask;
mod step_log;

pub use job_log::{JobLog, now};
pub use mask::Masker;
pub use step_log::{Judge, LineVerdict, ShowAll, StepLog};
