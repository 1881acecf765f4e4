use std::io::{IsTerminal, Read, Write};

use futures_util::StreamExt;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use sluice_docker::{AttachedOutput, Engine, ExecSpec};
use sluice_runner::KeptContainer;
use tokio::io::AsyncWriteExt;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::Exit;

/// Runs a process in a container, with this terminal as its own where there is one, and ends with its exit code.
pub async fn execute(
    engine: &Engine,
    container: &KeptContainer,
    directory: &str,
    mut env: Vec<(String, String)>,
    command: Vec<String>,
) -> anyhow::Result<Exit> {
    let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    if let (true, Ok(kind)) = (terminal, std::env::var("TERM")) {
        env.push(("TERM".to_owned(), kind));
    }
    let (user, working_directory) = (Some(container.user.clone()), Some(directory.to_owned()));
    let spec = ExecSpec { command, env, user, working_directory, terminal };
    let mut executed = engine.exec(&container.id, &spec).await?;
    let raw = terminal.then(Raw::begin).transpose()?;
    let mut input = executed.streams.input;
    let mut keys = keys();
    tokio::spawn(async move {
        // Either end may go first; the process's end is what counts.
        while let Some(bytes) = keys.recv().await {
            if input.write_all(&bytes).await.and(input.flush().await).is_err() {
                return;
            }
        }
        let _ = input.shutdown().await;
    });
    let mut resized = signal(SignalKind::window_change())?;
    if terminal {
        resize(engine, &executed.id).await;
    }
    loop {
        tokio::select! {
            piece = executed.streams.output.next() => match piece.transpose()? {
                Some(AttachedOutput::Stdout(bytes)) => {
                    let mut output = std::io::stdout().lock();
                    output.write_all(&bytes).and_then(|()| output.flush())?;
                }
                Some(AttachedOutput::Stderr(bytes)) => std::io::stderr().write_all(&bytes)?,
                None => break,
            },
            _ = resized.recv(), if terminal => resize(engine, &executed.id).await,
        }
    }
    drop(raw);
    let code = engine.exec_code(&executed.id).await?.unwrap_or(1);
    Ok(Exit::Of(u8::try_from(code).unwrap_or(1)))
}

/// What is typed, or comes by a pipe, until its end. The thread that reads is not waited for.
fn keys() -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel(16);
    std::thread::spawn(move || {
        let mut piece = [0; 4096];
        loop {
            match std::io::stdin().read(&mut piece) {
                Ok(count) if count > 0 && sender.blocking_send(piece[..count].to_vec()).is_ok() => {}
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                _ => return,
            }
        }
    });
    receiver
}

/// A size that the engine does not take leaves the one before.
async fn resize(engine: &Engine, id: &str) {
    if let Ok(size) = tcgetwinsize(std::io::stdout()) {
        let _ = engine.resize_exec(id, size.ws_col, size.ws_row).await;
    }
}

/// This terminal hands every key on, until this is dropped.
struct Raw(Termios);

impl Raw {
    fn begin() -> std::io::Result<Self> {
        let usual = tcgetattr(std::io::stdin())?;
        let mut raw = usual.clone();
        raw.make_raw();
        tcsetattr(std::io::stdin(), OptionalActions::Now, &raw)?;
        Ok(Self(usual))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.0);
    }
}
