use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

use crate::ForgeError;

/// Configuration that every git process of the forge runs with, whatever a repository or the machine says.
///
/// No hook runs, nothing goes on in the background, nothing asks a person, and what is pushed is checked.
const CONFIG: [(&str, &str); 11] = [
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("core.alternateRefsCommand", "true"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("receive.autogc", "false"),
    ("receive.fsckObjects", "true"),
    ("receive.denyNonFastForwards", "false"),
    ("receive.denyDeleteCurrent", "ignore"),
    ("http.receivepack", "true"),
    ("safe.directory", "*"),
];

/// A git process that takes nothing from this process' environment but the path, and no configuration but ours.
pub(crate) fn command(more: &[(&str, &str)]) -> Command {
    let mut command = Command::new("git");
    command.env_clear();
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("LC_ALL", "C.UTF-8")
        .env("HOME", "/nonexistent");
    let config = CONFIG.iter().chain(more);
    for (index, (key, value)) in config.clone().enumerate() {
        command.env(format!("GIT_CONFIG_KEY_{index}"), key).env(format!("GIT_CONFIG_VALUE_{index}"), value);
    }
    command.env("GIT_CONFIG_COUNT", config.count().to_string());
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Runs git in a bare repository and gives what it wrote.
pub(crate) async fn run<S: AsRef<OsStr>>(repository: &Path, arguments: &[S]) -> Result<Vec<u8>, ForgeError> {
    let mut command = command(&[]);
    command.arg("--git-dir").arg(repository).args(arguments);
    let output = command.output().await.map_err(ForgeError::Spawn)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(ForgeError::Git {
        command: arguments.first().map(|a| a.as_ref().to_string_lossy().into_owned()).unwrap_or_default(),
        message: first_lines(&output.stderr),
    })
}

/// Text of a command whose output is lines.
pub(crate) async fn text<S: AsRef<OsStr>>(repository: &Path, arguments: &[S]) -> Result<String, ForgeError> {
    Ok(String::from_utf8_lossy(&run(repository, arguments).await?).into_owned())
}

pub(crate) fn first_lines(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().chars().take(2000).collect()
}
