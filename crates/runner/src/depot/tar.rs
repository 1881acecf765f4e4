use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use tar::{Builder, EntryType, Header};

use crate::protocol::EntryKind;
use crate::session::Packed;

/// A tar in the making: entries as the step agent sends them. The same files give the same bytes, whenever and by whomever
/// they were made.
pub struct TarWriter {
    tar: Builder<File>,
    /// Bytes of the entry before that are still to come, and zeros to fill its last block with.
    left: u64,
    padding: usize,
}

impl TarWriter {
    pub fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { tar: Builder::new(File::create(path)?), left: 0, padding: 0 })
    }

    pub fn take(&mut self, piece: Packed) -> io::Result<()> {
        match piece {
            Packed::Entry(entry) => {
                self.pad()?;
                let mut header = Header::new_gnu();
                header.set_mode(entry.mode & 0o777);
                let path = String::from_utf8_lossy(&entry.path).into_owned();
                let path = path.trim_start_matches("./");
                if path.is_empty() || path == "." {
                    return Ok(());
                }
                match entry.kind {
                    EntryKind::Folder => {
                        header.set_entry_type(EntryType::Directory);
                        header.set_size(0);
                        self.tar.append_data(&mut header, path, io::empty())
                    }
                    EntryKind::Link { target } => {
                        header.set_entry_type(EntryType::Symlink);
                        header.set_size(0);
                        let target = String::from_utf8_lossy(&target).into_owned();
                        self.tar.append_link(&mut header, path, target)
                    }
                    EntryKind::File { size } => {
                        header.set_entry_type(EntryType::Regular);
                        header.set_size(size);
                        // The header alone; the content comes in pieces.
                        self.tar.append_data(&mut header, path, io::empty())?;
                        self.left = size;
                        self.padding = usize::try_from((512 - size % 512) % 512).unwrap_or(0);
                        Ok(())
                    }
                }
            }
            Packed::Data(bytes) => {
                self.left = self.left.saturating_sub(bytes.len() as u64);
                self.tar.get_mut().write_all(&bytes)
            }
        }
    }

    pub fn finish(mut self) -> io::Result<()> {
        self.pad()?;
        self.tar.into_inner()?.flush()
    }

    fn pad(&mut self) -> io::Result<()> {
        if self.left > 0 {
            return Err(io::Error::other("a file was shorter than it said"));
        }
        let zeros = [0; 512];
        self.tar.get_mut().write_all(&zeros[..std::mem::take(&mut self.padding)])
    }
}
