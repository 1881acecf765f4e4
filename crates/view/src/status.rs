use sluice_model::Conclusion;

/// How a run, a job or a step stands. Always drawn as a shape, a word and a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    Passed,
    Failed,
    Running,
    /// For a person, a timer or another check.
    Waiting,
    /// For a runner or for other jobs.
    Queued,
    Cancelled,
    Skipped,
}

impl Status {
    pub const ALL: [Self; 7] = [
        Self::Passed,
        Self::Failed,
        Self::Running,
        Self::Waiting,
        Self::Queued,
        Self::Cancelled,
        Self::Skipped,
    ];

    /// The word on the page, the class in the stylesheet, and the value of the filter `status=`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Queued => "queued",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
        }
    }

    /// The status that a filter names.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.word() == word)
    }

    /// Nothing more will happen.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Passed | Self::Failed | Self::Cancelled | Self::Skipped)
    }
}

impl From<Conclusion> for Status {
    fn from(conclusion: Conclusion) -> Self {
        match conclusion {
            Conclusion::Success => Self::Passed,
            Conclusion::Failure => Self::Failed,
            Conclusion::Cancelled => Self::Cancelled,
            Conclusion::Skipped => Self::Skipped,
        }
    }
}
