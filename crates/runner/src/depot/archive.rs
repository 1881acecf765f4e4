use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use super::Stored;
use super::layout::{BYTES_LIMIT, ENTRIES_LIMIT};
use crate::protocol::{Answer, EntryKind, read_frame};
use crate::session::Packed;

/// An archive in the making: entries as the step agent sends them, compressed. It appears under its name when it is
/// whole, and not at all when it is dropped before.
pub struct ArchiveWriter {
    encoder: zstd::Encoder<'static, BufWriter<File>>,
    temporary: PathBuf,
    target: PathBuf,
    stored: Stored,
    is_whole: bool,
}

impl ArchiveWriter {
    pub fn create(target: &Path) -> io::Result<Self> {
        if let Some(folder) = target.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let temporary = target.with_extension(format!("part-{:016x}", rand::random::<u64>()));
        let file = BufWriter::with_capacity(256 * 1024, File::create(&temporary)?);
        // Level 1: a workspace goes to the next job and is read there once.
        let encoder = zstd::Encoder::new(file, 1)?;
        Ok(Self { encoder, temporary, target: target.to_owned(), stored: Stored::default(), is_whole: false })
    }

    /// Takes one piece; more than the limits is refused.
    pub fn take(&mut self, piece: Packed) -> Result<(), String> {
        let frame = match piece {
            Packed::Entry(entry) => {
                if matches!(entry.kind, EntryKind::File { .. }) {
                    self.stored.files += 1;
                }
                Answer::Entry { ticket: 0, entry }
            }
            Packed::Data(bytes) => {
                self.stored.size_bytes += bytes.len() as u64;
                Answer::Data { ticket: 0, bytes }
            }
        };
        self.stored.check()?;
        self.encoder.write_all(&frame.encode()).map_err(|error| format!("{}: {error}", self.target.display()))
    }

    /// Flushes the archive and gives it its name.
    pub fn finish(mut self) -> io::Result<Stored> {
        self.encoder.do_finish()?;
        let file = self.encoder.get_mut();
        file.flush()?;
        file.get_ref().sync_all()?;
        std::fs::rename(&self.temporary, &self.target)?;
        self.is_whole = true;
        Ok(self.stored)
    }
}

impl Drop for ArchiveWriter {
    fn drop(&mut self) {
        if !self.is_whole {
            let _ = std::fs::remove_file(&self.temporary);
        }
    }
}

impl Stored {
    pub(super) fn check(&self) -> Result<(), String> {
        if self.files > ENTRIES_LIMIT {
            return Err(format!("more than {ENTRIES_LIMIT} files"));
        }
        if self.size_bytes > BYTES_LIMIT {
            return Err(format!("more than {} GiB", BYTES_LIMIT >> 30));
        }
        Ok(())
    }
}

/// Reads an archive piece by piece.
pub struct ArchiveReader {
    decoder: Box<dyn Read + Send>,
    frame: Vec<u8>,
}

impl ArchiveReader {
    pub fn open(path: &Path) -> io::Result<Self> {
        let decoder = zstd::Decoder::new(BufReader::with_capacity(256 * 1024, File::open(path)?))?;
        Ok(Self { decoder: Box::new(BufReader::with_capacity(256 * 1024, decoder)), frame: Vec::new() })
    }

    pub fn next(&mut self) -> Result<Option<Packed>, String> {
        match read_frame(&mut self.decoder, &mut self.frame) {
            Ok(None) => Ok(None),
            Ok(Some(())) => match Answer::decode(&self.frame).map_err(|error| error.to_string())? {
                Answer::Entry { entry, .. } => Ok(Some(Packed::Entry(entry))),
                Answer::Data { bytes, .. } => Ok(Some(Packed::Data(bytes))),
                _ => Err("the archive is broken".to_owned()),
            },
            Err(error) => Err(format!("the archive is broken: {error}")),
        }
    }
}
