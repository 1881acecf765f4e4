//! Programs by their names, for the agent and for the runner.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The first executable file of that name on a search path.
pub fn find_program(search_path: &OsStr, program: &OsStr) -> Option<PathBuf> {
    let is_executable = |path: &Path| {
        path.metadata().is_ok_and(|seen| seen.is_file() && seen.permissions().mode() & 0o111 != 0)
    };
    std::env::split_paths(search_path).map(|folder| folder.join(program)).find(|path| is_executable(path))
}
