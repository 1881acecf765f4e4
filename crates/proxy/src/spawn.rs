use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::command::Status;
use crate::control::{Control, ControlError};

#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    #[error("the proxy cannot be started as `{binary} proxy --state {folder}`: {source}")]
    NotStarted { binary: PathBuf, folder: PathBuf, source: io::Error },
    #[error("the proxy of {folder} {how}. Its last words: {last_words}")]
    NotReady { folder: PathBuf, how: String, last_words: String },
    #[error(transparent)]
    Control(#[from] ControlError),
}

/// From its start to its first answer, on a machine that is very busy.
const READY: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(5);
/// The log is begun anew when the proxy starts and finds more than this.
const LOG_BYTES: u64 = 4 * 1024 * 1024;

/// The proxy of a state folder: the one that runs, or `binary proxy --state FOLDER`, started in a session of its own
/// so that it outlives the caller, its terminal and its process group. Two callers at once get the same process.
///
/// # Errors
/// When it cannot be started, or does not answer; with the end of its log.
pub async fn ensure_running(folder: &Path, binary: &Path) -> Result<Control, SpawnError> {
    let not_started =
        |source| SpawnError::NotStarted { binary: binary.to_owned(), folder: folder.to_owned(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(not_started)?;
    let folder = folder.canonicalize().map_err(not_started)?;
    let control = Control::new(&folder);
    if is_answering(&control).await?.is_some() {
        return Ok(control);
    }
    let mut child = start(&folder, binary).map_err(not_started)?;
    let deadline = Instant::now() + READY;
    let mut exited = None;
    loop {
        if is_answering(&control).await?.is_some() {
            // Whoever drops a child of tokio leaves the reaping to tokio.
            return Ok(control);
        }
        // One that loses the race for the lock exits, and the winner answers soon after.
        if exited.is_none() {
            exited = child.try_wait().map_err(not_started)?.map(|status| (status, Instant::now()));
        }
        let how = match exited {
            Some((status, at)) if at.elapsed() > Duration::from_secs(2) => {
                format!("ended at once ({status})")
            }
            _ if Instant::now() > deadline => format!("did not answer within {} s", READY.as_secs()),
            _ => {
                tokio::time::sleep(POLL).await;
                continue;
            }
        };
        let last_words = last_words(&folder);
        return Err(SpawnError::NotReady { folder, how, last_words });
    }
}

/// Ends the proxy of a state folder, if one runs, and waits until it is gone. Its routes stay in the folder.
///
/// # Errors
/// When it answers but does not end.
pub async fn stop(folder: &Path) -> Result<(), SpawnError> {
    let control = Control::new(folder);
    let Some(status) = is_answering(&control).await? else { return Ok(()) };
    control.shutdown().await?;
    let deadline = Instant::now() + READY;
    while is_alive(status.pid) {
        if Instant::now() > deadline {
            return Err(SpawnError::NotReady {
                folder: folder.to_owned(),
                how: format!("(process {}) did not end within {} s", status.pid, READY.as_secs()),
                last_words: last_words(folder),
            });
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

async fn is_answering(control: &Control) -> Result<Option<Status>, ControlError> {
    match control.status().await {
        Ok(status) => Ok(Some(status)),
        Err(ControlError::NotRunning { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn start(folder: &Path, binary: &Path) -> io::Result<tokio::process::Child> {
    let path = folder.join("proxy.log");
    if fs::metadata(&path).is_ok_and(|log| log.len() > LOG_BYTES) {
        fs::remove_file(&path)?;
    }
    let log = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    let mut command = Command::new(binary);
    command
        .args(["proxy", "--state"])
        .arg(folder)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        // The caller's environment may hold secrets that a data plane has no use for.
        .env_clear()
        .envs(
            ["RUST_LOG", "NO_COLOR", "TZ"].iter().filter_map(|name| Some((*name, std::env::var_os(name)?))),
        );
    // SAFETY: between fork and exec only setsid is called, which is async-signal-safe and touches no memory.
    unsafe {
        command.pre_exec(|| {
            rustix::process::setsid()?;
            Ok(())
        });
    }
    tokio::process::Command::from(command).spawn()
}

fn is_alive(pid: u32) -> bool {
    // The state is the first letter after the command's name, which ends with the last parenthesis (proc(5)).
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .ok()
        .and_then(|stat| Some(stat.rsplit_once(") ")?.1.chars().next()? != 'Z'))
        .unwrap_or(false)
}

fn last_words(folder: &Path) -> String {
    let text = fs::read(folder.join("proxy.log")).unwrap_or_default();
    let text = String::from_utf8_lossy(&text[text.len().saturating_sub(2000)..]).into_owned();
    let lines: Vec<&str> = text.lines().rev().take(5).collect();
    match lines.is_empty() {
        true => "none".to_owned(),
        false => lines.into_iter().rev().collect::<Vec<_>>().join(" / "),
    }
}
