use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use super::Stored;
use crate::protocol::{Entry, EntryKind, PIECE_LIMIT};
use crate::session::Packed;

/// Writes entries as plain files below a folder that only the runner writes to. Links are left out: what is offered
/// for download must not lead anywhere.
pub struct FolderWriter {
    root: PathBuf,
    file: Option<File>,
    stored: Stored,
}

impl FolderWriter {
    pub fn new(root: PathBuf) -> Self {
        Self { root, file: None, stored: Stored::default() }
    }

    pub fn take(&mut self, piece: Packed) -> Result<(), String> {
        match piece {
            Packed::Entry(entry) => {
                self.file = None;
                let relative = PathBuf::from(std::ffi::OsString::from_vec(entry.path));
                if !relative.components().all(|part| matches!(part, Component::Normal(_))) {
                    return Err(format!("{}: climbs out of the folder", relative.display()));
                }
                if let EntryKind::File { .. } = entry.kind {
                    self.stored.files += 1;
                    let path = self.root.join(&relative);
                    let created =
                        path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| File::create(&path));
                    self.file = Some(created.map_err(|error| format!("{}: {error}", path.display()))?);
                }
            }
            Packed::Data(bytes) => {
                self.stored.size_bytes += bytes.len() as u64;
                if let Some(file) = &mut self.file {
                    file.write_all(&bytes).map_err(|error| error.to_string())?;
                }
            }
        }
        self.stored.check()
    }

    pub fn finish(self) -> Stored {
        self.stored
    }
}

/// Reads a folder of this machine that steps cannot write to, as the step agent reads theirs.
pub struct Walk {
    root: PathBuf,
    /// Paths still to visit, the next one last.
    pending: Vec<PathBuf>,
    file: Option<(File, u64)>,
}

impl Walk {
    pub fn new(root: &Path) -> std::io::Result<Self> {
        let mut walk = Self { root: root.to_owned(), pending: Vec::new(), file: None };
        walk.push_children(Path::new(""))?;
        Ok(walk)
    }

    fn push_children(&mut self, relative: &Path) -> std::io::Result<()> {
        let mut names: Vec<PathBuf> = Vec::new();
        for entry in fs::read_dir(self.root.join(relative))? {
            names.push(relative.join(entry?.file_name()));
        }
        names.sort_by(|a, b| b.cmp(a));
        self.pending.extend(names);
        Ok(())
    }

    pub fn next(&mut self) -> Result<Option<Packed>, String> {
        if let Some((file, left)) = &mut self.file
            && *left > 0
        {
            let mut bytes = vec![0; usize::try_from(*left).unwrap_or(PIECE_LIMIT).min(PIECE_LIMIT)];
            file.read_exact(&mut bytes).map_err(|error| error.to_string())?;
            *left -= bytes.len() as u64;
            return Ok(Some(Packed::Data(bytes)));
        }
        self.file = None;
        let Some(relative) = self.pending.pop() else { return Ok(None) };
        let path = self.root.join(&relative);
        let said = |error: std::io::Error| format!("{}: {error}", path.display());
        let seen = fs::symlink_metadata(&path).map_err(said)?;
        let kind = if seen.is_dir() {
            self.push_children(&relative).map_err(said)?;
            EntryKind::Folder
        } else if seen.is_symlink() {
            let target = fs::read_link(&path).map_err(said)?;
            EntryKind::Link { target: target.into_os_string().into_vec() }
        } else {
            self.file = Some((File::open(&path).map_err(said)?, seen.len()));
            EntryKind::File { size: seen.len() }
        };
        Ok(Some(Packed::Entry(Entry {
            path: relative.as_os_str().as_bytes().to_vec(),
            mode: seen.permissions().mode() & 0o777,
            modified: u64::try_from(seen.mtime()).unwrap_or(0),
            kind,
        })))
    }
}
