use sluice_runner::ExecutorChoice;

/// Where jobs run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum RunnerChoice {
    /// In containers where an engine answers, else as processes of this machine
    Auto,
    /// In containers
    Docker,
    /// As processes of this machine
    Host,
}

impl From<RunnerChoice> for ExecutorChoice {
    fn from(choice: RunnerChoice) -> Self {
        match choice {
            RunnerChoice::Auto => Self::Auto,
            RunnerChoice::Docker => Self::Docker,
            RunnerChoice::Host => Self::Host,
        }
    }
}
