use std::borrow::Cow;

use crate::Value;

/// The functions that ask how the job or the run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusFunction {
    Success,
    Failure,
    Always,
    Cancelled,
}

impl StatusFunction {
    /// By its name in an expression, in any case.
    pub fn of_name(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "success" => Some(Self::Success),
            "failure" => Some(Self::Failure),
            "always" => Some(Self::Always),
            "cancelled" => Some(Self::Cancelled),
            _ => None,
        }
    }
}

/// What an expression may ask its surroundings.
pub trait Context {
    /// The value of a top-level name (`github`, `env`, …), in any case. None: there is no such context here.
    fn lookup(&self, name: &str) -> Option<Cow<'_, Value>>;

    /// `success()` and the like; `jobs` are the job names that a job's `if` may give. None: not available here.
    fn status(&self, function: StatusFunction, jobs: &[String]) -> Option<bool> {
        let _ = (function, jobs);
        None
    }

    /// `hashFiles(patterns…)`: the digest, or why there is none. None: not available here.
    fn hash_files(&self, patterns: &[String]) -> Option<Result<String, String>> {
        let _ = patterns;
        None
    }

    /// How many bytes an evaluation may hold at once; GitHub's templates get 10 MiB.
    fn memory_limit_bytes(&self) -> usize {
        10 * 1024 * 1024
    }
}

/// Contexts by name, for `sluice eval` and tests.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scope {
    contexts: Vec<(String, Value)>,
    memory_limit_bytes: Option<usize>,
}

impl Scope {
    /// GitHub's own limit for an expression that stands by itself.
    pub const MEMORY_LIMIT_BYTES: usize = 1024 * 1024;

    pub fn new(contexts: impl IntoIterator<Item = (String, Value)>) -> Self {
        Self { contexts: contexts.into_iter().collect(), memory_limit_bytes: None }
    }

    pub fn with_memory_limit_bytes(mut self, limit: usize) -> Self {
        self.memory_limit_bytes = Some(limit);
        self
    }

    pub fn names(&self) -> Vec<&str> {
        self.contexts.iter().map(|(name, _)| name.as_str()).collect()
    }
}

impl Context for Scope {
    fn lookup(&self, name: &str) -> Option<Cow<'_, Value>> {
        crate::value::member(&self.contexts, name).map(Cow::Borrowed)
    }

    fn memory_limit_bytes(&self) -> usize {
        self.memory_limit_bytes.unwrap_or(Self::MEMORY_LIMIT_BYTES)
    }
}
