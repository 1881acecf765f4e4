use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use super::arguments::{Flags, Known};
use super::{names, split};
use crate::search_path::find_program;

/// Runs the command with this node's names, parted by blanks, as its input; without one where there are none.
pub fn run(words: &[String]) -> Result<i32, String> {
    let known: Vec<Known> = split::FLAGS.iter().copied().chain([("command", true), ("verbose", false)]).collect();
    let (flags, rest) = Flags::read(words, &known)?;
    let command = flags.get("command").ok_or("`tests run` needs a `--command`")?;
    let names = names::of(&rest)?;
    let part = split::Split::of(&flags)?.part(&names)?;
    if flags.is_set("verbose") {
        eprintln!("DEBUG: {} of {} names are for this node: {}", part.len(), names.len(), part.join(" "));
    }
    if part.is_empty() {
        eprintln!("There are no tests for this node: the command is not run");
        return Ok(0);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let shell = find_program(&path, "bash".as_ref()).map_or("sh", |_| "bash");
    let wrong = |error: std::io::Error| format!("{shell}: {error}");
    let mut child =
        Command::new(shell).arg("-c").arg(command).stdin(Stdio::piped()).spawn().map_err(wrong)?;
    if let Some(mut input) = child.stdin.take() {
        // A command that does not read its input is no failure.
        let _ = input.write_all(format!("{}\n", part.join(" ")).as_bytes());
    }
    let ended = child.wait().map_err(wrong)?;
    Ok(ended.code().unwrap_or_else(|| 128 + ended.signal().unwrap_or(0)))
}
