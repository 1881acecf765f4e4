//! A repository in a throw-away folder, and what `sluice` says in it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::under_way::output;

pub struct Repository {
    folder: TempDir,
}

/// What a call ended with.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Repository {
    /// A folder with these files, in no repository.
    pub fn folder(files: &[(&str, &str)]) -> Self {
        let repository = Self { folder: TempDir::new().unwrap() };
        for (path, text) in files {
            repository.write(path, text.as_bytes());
        }
        repository
    }

    /// A repository with these files in one commit, on `main`.
    pub fn with(files: &[(&str, &str)]) -> Self {
        let repository = Self::folder(files);
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
        repository.git(&["add", "--all"]);
        repository.git(&["commit", "--quiet", "--allow-empty", "--message", "First"]);
        repository
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    pub fn git(&self, args: &[&str]) {
        let output = Command::new("git")
            .args(["-c", "user.name=Ada", "-c", "user.email=ada@example.com"])
            .args(args)
            .current_dir(self.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    pub fn sluice(&self, args: &[&str]) -> Said {
        Said::from(output(&mut self.command(args)))
    }

    /// A call that is not made yet.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
        command.args(args).current_dir(self.path());
        command.env("XDG_STATE_HOME", self.state()).env("NO_COLOR", "1");
        command.env("XDG_CONFIG_HOME", self.state().join("config"));
        // Nobody listens there: no test asks the world for an orb.
        command.env("SLUICE_ORBS_URL", "http://127.0.0.1:9");
        for name in ["SLUICE_URL", "SLUICE_TOKEN", "SLUICE_REPOSITORY"] {
            command.env_remove(name);
        }
        command
    }

    pub fn state(&self) -> PathBuf {
        self.path().join(".git/test-state")
    }

    /// What git says to this.
    pub fn git_says(&self, args: &[&str]) -> String {
        let output = Command::new("git").args(args).current_dir(self.path()).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }
}

/// Asserts on the exit code, and on words of either stream.
#[track_caller]
pub fn says(said: &Said, code: i32, words: &[&str]) {
    let all = format!("{}{}", said.stdout, said.stderr);
    assert_eq!(said.code, code, "{all}");
    for word in words {
        assert!(all.contains(word), "`{word}` is not in:\n{all}");
    }
}

pub fn send(child: &std::process::Child, signal: &str) {
    let sent = Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}
