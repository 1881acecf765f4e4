use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sluice_model::{Conclusion, Timestamp};

/// What a runner says while a job goes on. Text is masked already.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum JobEvent {
    /// Where the job runs: `host`, or the container image. First of all.
    Prepared {
        executor: String,
        at: Timestamp,
    },
    StepStarted {
        step: u32,
        name: String,
        at: Timestamp,
    },
    /// Whole lines but for the last of a step; at most 64 KiB at once.
    Output {
        step: u32,
        stream: Stream,
        text: String,
        at: Timestamp,
    },
    Annotation {
        step: u32,
        level: Level,
        message: String,
        file: Option<String>,
        line: Option<u32>,
    },
    /// `exit_code` is none where the step is no process, or was killed.
    StepFinished {
        step: u32,
        outcome: Conclusion,
        conclusion: Conclusion,
        exit_code: Option<i32>,
        at: Timestamp,
    },
    /// What a step wrote for the run's page: Markdown of GitHub's kind, at most 1 MiB.
    Summary {
        step: u32,
        text: String,
    },
    ArtifactStored {
        name: String,
        files: u64,
        size_bytes: u64,
    },
    TestsStored {
        passed: u64,
        failed: u64,
        skipped: u64,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    Stdout,
    Stderr,
    /// The runner's own words: `Starting container …`.
    Runner,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    Debug,
    Notice,
    Warning,
    Error,
}

/// How a job ended. The last thing that a runner says of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobReport {
    pub conclusion: Conclusion,
    pub outputs: BTreeMap<String, String>,
    /// Why it failed, where no step did: no such image, no such executor, lease lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Tests that did not pass; the counts are in `TestsStored`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed_tests: Vec<TestCase>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TestCase {
    pub suite: String,
    pub name: String,
    pub file: Option<String>,
    pub duration_ms: u64,
    pub outcome: TestOutcome,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TestOutcome {
    Passed,
    Skipped,
    Failed { message: String },
}
