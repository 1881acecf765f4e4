use sluice_runner::ExecutorChoice;

/// Where jobs run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
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

impl RunnerChoice {
    /// As it is given on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Docker => "docker",
            Self::Host => "host",
        }
    }
}
