use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// The control socket of a state folder, by a name that is short enough.
///
/// A socket's path has at most 107 bytes (unix(7)), and a data folder may well be deeper than that. Through an open
/// folder the name is `/proc/self/fd/N/control.sock`, however deep it is.
#[derive(Debug)]
pub struct SocketPath {
    folder: File,
}

impl SocketPath {
    /// # Errors
    /// When the folder cannot be opened.
    pub fn of(folder: &Path) -> io::Result<Self> {
        Ok(Self { folder: File::open(folder)? })
    }

    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/control.sock", self.folder.as_raw_fd()))
    }
}
