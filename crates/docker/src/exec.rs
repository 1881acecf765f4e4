use bollard::exec::{CreateExecOptions, ResizeExecOptions, StartExecOptions, StartExecResults};
use futures_util::StreamExt;

use crate::attach::pieces;
use crate::{Attached, Engine, EngineError};

/// A process to start in a container that runs.
#[derive(Debug, Clone, Default)]
pub struct ExecSpec {
    pub command: Vec<String>,
    pub env: Vec<(String, String)>,
    /// `uid:gid` or a name.
    pub user: Option<String>,
    pub working_directory: Option<String>,
    /// A terminal of its own: one stream of output, and a size.
    pub terminal: bool,
}

/// A process that was started, and its streams.
pub struct Executed {
    pub id: String,
    pub streams: Attached,
}

impl Engine {
    pub async fn exec(&self, container: &str, spec: &ExecSpec) -> Result<Executed, EngineError> {
        let options = CreateExecOptions {
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            tty: Some(spec.terminal),
            env: Some(spec.env.iter().map(|(name, value)| format!("{name}={value}")).collect()),
            cmd: Some(spec.command.clone()),
            user: spec.user.clone(),
            working_dir: spec.working_directory.clone(),
            ..Default::default()
        };
        let failed = |error| EngineError::of("start a process in the container", container, error);
        let made = self.docker.create_exec(container, options).await.map_err(failed)?;
        let start = StartExecOptions { tty: spec.terminal, ..Default::default() };
        match self.docker.start_exec(&made.id, Some(start)).await.map_err(failed)? {
            StartExecResults::Attached { output, input } => {
                let streams = Attached { input, output: pieces(container, output) };
                Ok(Executed { id: made.id, streams })
            }
            // Only who asks to be detached gets this.
            StartExecResults::Detached => {
                let output = futures_util::stream::empty().boxed();
                let streams = Attached { input: Box::pin(tokio::io::sink()), output };
                Ok(Executed { id: made.id, streams })
            }
        }
    }

    /// The exit code of a process, once it has ended.
    pub async fn exec_code(&self, id: &str) -> Result<Option<i64>, EngineError> {
        let seen = self.docker.inspect_exec(id).await;
        Ok(seen.map_err(|error| EngineError::of("look at the process", id, error))?.exit_code)
    }

    /// Tells the process how large its terminal is.
    pub async fn resize_exec(&self, id: &str, columns: u16, rows: u16) -> Result<(), EngineError> {
        let options = ResizeExecOptions { height: rows, width: columns };
        let resized = self.docker.resize_exec(id, options).await;
        resized.map_err(|error| EngineError::of("size the terminal of the process", id, error))
    }
}
