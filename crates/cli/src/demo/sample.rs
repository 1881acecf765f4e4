use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use sluice_model::CommitSha;

/// A copy of the sample repository, with its own history.
pub struct Checkout {
    path: PathBuf,
}

impl Checkout {
    /// Copies what git would take of `sample` (so no build folder of it) and makes the first commit.
    pub fn of(sample: &Path, path: PathBuf) -> anyhow::Result<Self> {
        if !sample.join("sluice.yaml").is_file() {
            bail!("{} has no sluice.yaml: give the folder of the sample with --sample", sample.display());
        }
        copy(sample, &path)
            .with_context(|| format!("cannot copy {} to {}", sample.display(), path.display()))?;
        let checkout = Self { path };
        checkout.git(&["init", "--quiet", "--initial-branch=master", "."])?;
        checkout.git(&["config", "user.name", "Dana"])?;
        checkout.git(&["config", "user.email", "dana@example.com"])?;
        Ok(checkout)
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Commits whatever there is.
    pub fn commit(&self, message: &str) -> anyhow::Result<CommitSha> {
        self.git(&["add", "--all"])?;
        self.git(&["commit", "--quiet", "--message", message])?;
        Ok(self.git(&["rev-parse", "HEAD"])?.trim().parse()?)
    }

    /// What the sample's build calls itself: its VERSION file and the commit.
    pub fn version(&self) -> anyhow::Result<String> {
        let version = std::fs::read_to_string(self.path.join("VERSION"))?;
        let commit = self.git(&["rev-parse", "HEAD"])?;
        Ok(format!("{}-{}", version.trim(), commit.chars().take(7).collect::<String>()))
    }

    pub fn set_remote(&self, url: &str) -> anyhow::Result<()> {
        self.git(&["remote", "add", "sluice", url]).map(drop)
    }

    pub fn push(&self) -> anyhow::Result<()> {
        self.git(&["push", "--quiet", "sluice", "master"]).map(drop)
    }

    /// Replaces one text of one file, and insists that it was there once.
    pub fn replace(&self, file: &str, from: &str, to: &str) -> anyhow::Result<()> {
        let path = self.path.join(file);
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        if text.matches(from).count() != 1 {
            bail!("{file} of the sample does not hold `{from}` once: the demo changes it there");
        }
        std::fs::write(&path, text.replace(from, to))
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Replaces every place of one text of one file, and insists that there is one.
    pub fn replace_all(&self, file: &str, from: &str, to: &str) -> anyhow::Result<()> {
        let path = self.path.join(file);
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        if !text.contains(from) {
            bail!("{file} of the sample does not hold `{from}`: the demo changes it there");
        }
        std::fs::write(&path, text.replace(from, to))
            .with_context(|| format!("cannot write {}", path.display()))
    }

    pub fn remove(&self, file: &str) -> anyhow::Result<()> {
        let path = self.path.join(file);
        std::fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))
    }

    fn git(&self, args: &[&str]) -> anyhow::Result<String> {
        let output =
            Command::new("git").args(args).current_dir(&self.path).output().context("cannot start git")?;
        if !output.status.success() {
            // The arguments may hold an address with a token, so only the verb is named.
            bail!("git {} failed: {}", args[0], String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// Folders that a build makes, and that a commit would leave out.
const LEFT_OUT: [&str; 6] = ["target", "images", "results", "node_modules", "dist", ".git"];

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        let target = to.join(&name);
        if entry.file_type()?.is_dir() {
            if !LEFT_OUT.iter().any(|left_out| name == *left_out) {
                copy(&entry.path(), &target)?;
            }
        } else {
            std::fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
