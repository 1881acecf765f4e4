use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use sluice_pipelines::{Files, kind};
use sluice_plan::ActionLock;
use sluice_source::{Diagnostic, Location};

/// A pipeline file of more than this is none that a service would take.
const FILE_LIMIT_BYTES: u64 = 10 << 20;
/// Folders of orbs are two deep; nothing that is looked for is deeper than four.
const DEPTH_LIMIT: usize = 6;
/// The folders that pipelines are in.
const FOLDERS: [&str; 3] = [".github/workflows", ".circleci", ".sluice/orbs"];

/// The pipeline files of a tree.
#[derive(Debug, Default)]
pub struct Found {
    pub files: Files,
    /// Too large, no text, or not to be opened.
    pub unreadable: Vec<Diagnostic>,
}

/// The nearest folder, from `path` upwards, that has pipelines of its own or is a repository's root; `path` itself where
/// there is none.
pub fn root_of(path: &Path) -> anyhow::Result<PathBuf> {
    let path = path.canonicalize().with_context(|| format!("cannot open {}", path.display()))?;
    if !path.is_dir() {
        bail!("{} is no folder", path.display());
    }
    let is_root = |folder: &&Path| {
        let has = |name: &str| folder.join(name).exists();
        has(".git") || FOLDERS.iter().any(|folder| has(folder))
    };
    let root = path.ancestors().find(is_root).unwrap_or(&path);
    Ok(root.to_owned())
}

/// Reads every pipeline file below `root`.
pub fn discover(root: &Path) -> anyhow::Result<Found> {
    let mut found = Found::default();
    for folder in FOLDERS {
        let path = root.join(folder);
        if path.is_dir() {
            walk(root, &path, 0, &mut found).with_context(|| format!("cannot read {}", path.display()))?;
        }
    }
    let lock = root.join(ActionLock::FILE);
    if lock.is_file() {
        found.take(ActionLock::FILE.to_owned(), &lock);
    }
    Ok(found)
}

fn walk(root: &Path, folder: &Path, depth: usize, found: &mut Found) -> std::io::Result<()> {
    // A link that leads back up ends here.
    if depth > DEPTH_LIMIT {
        return Ok(());
    }
    let mut entries: Vec<_> = fs::read_dir(folder)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let relative = relative_path(root, &path);
        if path.is_dir() {
            walk(root, &path, depth + 1, found)?;
        } else if kind(&relative).is_some() {
            found.take(relative, &path);
        }
    }
    Ok(())
}

/// With `/`, whatever this system uses.
pub fn relative_path(root: &Path, path: &Path) -> String {
    let relative = path.strip_prefix(root).unwrap_or(path);
    let parts: Vec<_> = relative.components().map(|part| part.as_os_str().to_string_lossy()).collect();
    parts.join("/")
}

impl Found {
    /// Reads one file, or says why not.
    pub fn take(&mut self, name: String, path: &Path) {
        match read(&name, path) {
            Ok(text) => {
                self.files.insert(name, text);
            }
            Err(diagnostic) => self.unreadable.push(diagnostic),
        }
    }
}

fn read(name: &str, path: &Path) -> Result<String, Diagnostic> {
    let at = || Location { path: name.to_owned(), line: 1, column: 1 };
    let unreadable = |error: std::io::Error| {
        Diagnostic::error("file/unreadable", at(), 0, format!("cannot be read: {error}"))
    };
    let file = fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(FILE_LIMIT_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > FILE_LIMIT_BYTES {
        let message =
            format!("the file is larger than {} MiB, the most that is read", FILE_LIMIT_BYTES >> 20);
        return Err(Diagnostic::error("file/too-large", at(), 0, message));
    }
    sluice_source::decode(name, &bytes).map(str::to_owned)
}
