use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

/// How long one call of git may take; a large repository over a slow line takes minutes.
const TIMEOUT: Duration = Duration::from_secs(600);

/// What git wrote, or what it said of its failure.
///
/// The configuration and the credentials of whoever started Sluice apply: private repositories are theirs to read. Nobody
/// is asked for a password, and no hook runs.
pub async fn run(folder: Option<&Path>, arguments: &[impl AsRef<OsStr>]) -> Result<Vec<u8>, String> {
    let mut command = Command::new("git");
    if let Some(folder) = folder {
        command.arg("-C").arg(folder);
    }
    command
        .args(["-c", "core.hooksPath=/dev/null", "-c", "safe.directory=*", "-c", "protocol.version=2"])
        .args(arguments)
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("LC_ALL", "C")
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(TIMEOUT, command.output());
    let output = output.await.map_err(|_| format!("git took longer than {} s", TIMEOUT.as_secs()))?;
    let output = output.map_err(|error| format!("git could not be started: {error}; install it"))?;
    match output.status.success() {
        true => Ok(output.stdout),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ")),
    }
}
