use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::Answers;
use crate::glob::{Choice, Match};
use crate::protocol::{Answer, Entry, EntryKind, PIECE_LIMIT};
use crate::user::StepUser;

fn as_path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

fn said(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}

/// Writes a whole file and the folders above it, all owned by the steps' user.
pub fn write(path: &[u8], mode: u32, content: &[u8], user: &StepUser) -> Result<(), String> {
    let path = as_path(path);
    make_parents(path, user).map_err(|error| said(path, &error))?;
    let write = || {
        let mut file = File::options().write(true).create(true).truncate(true).mode(mode).open(path)?;
        file.write_all(content)?;
        file.set_permissions(fs::Permissions::from_mode(mode))
    };
    write().map_err(|error| said(path, &error))?;
    user.take(path);
    Ok(())
}

fn make_parents(path: &Path, user: &StepUser) -> io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => make_folder(parent, user),
        _ => Ok(()),
    }
}

fn make_folder(folder: &Path, user: &StepUser) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    make_parents(folder, user)?;
    match fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => user.take(folder),
    }
    Ok(())
}

/// None where there is no such file.
pub fn read(path: &[u8], limit: u64) -> Result<Option<Vec<u8>>, String> {
    let path = as_path(path);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(said(path, &error)),
    };
    let mut content = Vec::new();
    file.take(limit + 1).read_to_end(&mut content).map_err(|error| said(path, &error))?;
    if content.len() as u64 > limit {
        return Err(format!("{}: larger than {limit} bytes", path.display()));
    }
    Ok(Some(content))
}

/// Sends every file, folder and link below `root` that the patterns choose, with all that stands in a chosen folder.
///
/// A `root` that is a file is sent alone, under its own name.
pub fn pack(ticket: u32, root: &[u8], patterns: &[Vec<u8>], answers: &Answers) -> Result<(), String> {
    let root = as_path(root);
    let seen = fs::symlink_metadata(root).map_err(|error| said(root, &error))?;
    let mut packer = Packer { ticket, answers, buffer: vec![0; PIECE_LIMIT] };
    if seen.is_file() {
        let name = root.file_name().unwrap_or(OsStr::new("file"));
        return packer.send(root, Path::new(name));
    }
    packer.walk(root, Path::new(""), &Choice::new(patterns))
}

struct Packer<'a> {
    ticket: u32,
    answers: &'a Answers,
    buffer: Vec<u8>,
}

impl Packer<'_> {
    fn walk(&mut self, folder: &Path, relative: &Path, choice: &Choice) -> Result<(), String> {
        let entries = fs::read_dir(folder).map_err(|error| said(folder, &error))?;
        let mut names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
        // In order, so that the same files always give the same archive.
        names.sort();
        for name in names {
            let (path, relative) = (folder.join(&name), relative.join(&name));
            let matched = choice.matches(relative.as_os_str().as_bytes());
            if matched == Match::No {
                continue;
            }
            if matched == Match::Whole {
                self.send(&path, &relative)?;
            }
            if fs::symlink_metadata(&path).is_ok_and(|seen| seen.is_dir()) {
                self.walk(&path, &relative, choice)?;
            }
        }
        Ok(())
    }

    fn send(&mut self, path: &Path, relative: &Path) -> Result<(), String> {
        let seen = fs::symlink_metadata(path).map_err(|error| said(path, &error))?;
        let kind = if seen.is_file() {
            EntryKind::File { size: seen.len() }
        } else if seen.is_dir() {
            EntryKind::Folder
        } else if seen.is_symlink() {
            let target = fs::read_link(path).map_err(|error| said(path, &error))?;
            EntryKind::Link { target: target.into_os_string().into_encoded_bytes() }
        } else {
            // Sockets, pipes and devices mean nothing elsewhere.
            return Ok(());
        };
        let modified = u64::try_from(seen.mtime()).unwrap_or(0);
        let path_bytes = relative.as_os_str().as_bytes().to_vec();
        let entry = Entry { path: path_bytes, mode: seen.mode() & 0o7777, modified, kind };
        let size = match entry.kind {
            EntryKind::File { size } => Some(size),
            EntryKind::Folder | EntryKind::Link { .. } => None,
        };
        // Opened before it is named, so that what cannot be read is never half an entry.
        let file = size.map(|_| File::open(path)).transpose().map_err(|error| said(path, &error))?;
        self.answers.send(&Answer::Entry { ticket: self.ticket, entry });
        match (file, size) {
            (Some(file), Some(size)) => self.send_content(file, size, path),
            _ => Ok(()),
        }
    }

    fn send_content(&mut self, mut file: File, size: u64, path: &Path) -> Result<(), String> {
        let mut left = size;
        while left > 0 {
            let want = usize::try_from(left).unwrap_or(PIECE_LIMIT).min(PIECE_LIMIT);
            let count = file.read(&mut self.buffer[..want]).map_err(|error| said(path, &error))?;
            if count == 0 {
                return Err(format!("{}: became shorter while it was read", path.display()));
            }
            left -= count as u64;
            self.answers.send(&Answer::Data { ticket: self.ticket, bytes: self.buffer[..count].to_vec() });
        }
        Ok(())
    }
}

/// The one unpacking at a time that a runner asks for.
#[derive(Default)]
pub struct Unpacking {
    ticket: u32,
    root: PathBuf,
    file: Option<(File, PathBuf, u64)>,
    problem: Option<String>,
}

impl Unpacking {
    pub fn begin(&mut self, ticket: u32, root: &[u8], user: &StepUser) {
        let root = as_path(root);
        let made = make_folder(root, user).and_then(|()| root.canonicalize());
        let problem = made.as_ref().err().map(|error| said(root, error));
        *self = Self { ticket, root: made.unwrap_or_default(), file: None, problem };
    }

    pub fn entry(&mut self, ticket: u32, entry: &Entry, user: &StepUser) {
        if ticket == self.ticket && self.problem.is_none() {
            self.finish_file();
            self.problem = self.place(entry, user).err();
        }
    }

    pub fn data(&mut self, ticket: u32, bytes: &[u8]) {
        if ticket == self.ticket
            && let Some((file, path, _)) = &mut self.file
            && let Err(error) = file.write_all(bytes)
        {
            self.problem.get_or_insert(said(path, &error));
        }
    }

    pub fn end(&mut self, ticket: u32) -> Result<(), String> {
        if ticket != self.ticket {
            return Err("there is no such unpacking".to_owned());
        }
        self.finish_file();
        self.problem.take().map_or(Ok(()), Err)
    }

    fn finish_file(&mut self) {
        if let Some((file, _, modified)) = self.file.take() {
            // Build tools compare times, so a file keeps its own.
            let _ = file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(modified));
        }
    }

    fn place(&mut self, entry: &Entry, user: &StepUser) -> Result<(), String> {
        let relative = as_path(&entry.path);
        let is_safe = relative.components().all(|component| matches!(component, Component::Normal(_)));
        if !is_safe || entry.path.is_empty() {
            return Err(format!("{}: climbs out of the folder", relative.display()));
        }
        let path = self.root.join(relative);
        make_parents(&path, user).map_err(|error| said(&path, &error))?;
        // A link among the folders above must not lead out.
        let parent = path.parent().unwrap_or(&self.root).canonicalize().map_err(|error| said(&path, &error))?;
        if !parent.starts_with(&self.root) {
            return Err(format!("{}: a link leads out of the folder", relative.display()));
        }
        let is_link = fs::symlink_metadata(&path).is_ok_and(|seen| seen.is_symlink());
        let is_folder = matches!(entry.kind, EntryKind::Folder);
        if is_link || (path.exists() && !path.is_dir() && !is_folder) {
            fs::remove_file(&path).map_err(|error| said(&path, &error))?;
        }
        let mode = fs::Permissions::from_mode(entry.mode & 0o777);
        let placed = match &entry.kind {
            EntryKind::Folder => make_folder(&path, user).and_then(|()| fs::set_permissions(&path, mode)),
            EntryKind::Link { target } => std::os::unix::fs::symlink(as_path(target), &path),
            EntryKind::File { .. } => File::create(&path).and_then(|file| {
                file.set_permissions(mode)?;
                self.file = Some((file, path.clone(), entry.modified));
                Ok(())
            }),
        };
        placed.map_err(|error| said(&path, &error))?;
        user.take(&path);
        Ok(())
    }
}
