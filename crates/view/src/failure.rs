use sluice_model::InstanceId;

use crate::Status;

/// A line of a log that says what went wrong.
#[derive(Debug, Clone)]
pub struct ErrorLine {
    pub job: InstanceId,
    pub job_name: String,
    pub step: String,
    /// The line's number in the job's log, from 1; none where no line says it (no such image, lease lost).
    pub line: Option<u64>,
    /// Masked, as in the log; may hold ANSI sequences and several lines.
    pub text: String,
}

/// A test that failed.
#[derive(Debug, Clone)]
pub struct FailedTest {
    pub job: InstanceId,
    pub suite: String,
    pub name: String,
    /// `tests/checkout.rs:41`
    pub file: Option<String>,
    pub message: String,
    pub duration_ms: u64,
    /// Its last outcomes, the oldest first; the page shows the last twenty.
    pub history: Vec<Status>,
    /// It has both passed and failed on the same commit.
    pub is_flaky: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TestCounts {
    pub passed: u64,
    pub failed: u64,
    pub skipped: u64,
}
