use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

use ::zip::write::SimpleFileOptions;
use ::zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::{FolderWriter, Walk};
use crate::protocol::{Entry, EntryKind};
use crate::session::Packed;

/// The largest list of contents that a zip may have.
const CONTENTS_LIMIT_BYTES: u64 = 256 << 20;
const PIECE_BYTES: usize = 256 << 10;

/// Unpacks a zip's files. Links are left out, and a path that climbs out of the folder is refused.
pub fn unzip(archive: &Path, writer: &mut FolderWriter) -> Result<(), String> {
    let said = |error: io::Error| format!("{}: {error}", archive.display());
    let mut file = File::open(archive).map_err(said)?;
    let contents = contents_bytes(&mut file).map_err(said)?;
    if contents.is_some_and(|bytes| bytes > CONTENTS_LIMIT_BYTES) {
        return Err(format!("the zip's list of contents is larger than {} MiB", CONTENTS_LIMIT_BYTES >> 20));
    }
    let reader = BufReader::with_capacity(PIECE_BYTES, file);
    let broken =
        |error: ::zip::result::ZipError| format!("the artifact is not a zip that can be read: {error}");
    let mut zip = ZipArchive::new(reader).map_err(broken)?;
    let mut piece = vec![0; PIECE_BYTES];
    for index in 0..zip.len() {
        let mut entry = zip.by_index(index).map_err(broken)?;
        if entry.is_symlink() {
            continue;
        }
        let path = entry.name().map_err(broken)?.trim_end_matches('/').as_bytes().to_vec();
        let kind = match entry.is_dir() {
            true => EntryKind::Folder,
            false => EntryKind::File { size: entry.size() },
        };
        writer.take(Packed::Entry(Entry { path, mode: 0o644, modified: 0, kind }))?;
        loop {
            let length = entry.read(&mut piece).map_err(|error| broken(error.into()))?;
            if length == 0 {
                break;
            }
            writer.take(Packed::Data(piece[..length].to_vec()))?;
        }
    }
    Ok(())
}

/// How long the list of contents says it is (PKWARE, APPNOTE 4.3.14 and 4.3.16). None: there is none, and the file no zip.
fn contents_bytes(file: &mut File) -> io::Result<Option<u64>> {
    const END: [u8; 4] = *b"PK\x05\x06";
    const END64: [u8; 4] = *b"PK\x06\x06";
    let length = file.seek(SeekFrom::End(0))?;
    let tail = length.min(u64::from(u16::MAX) + 22 + 20);
    file.seek(SeekFrom::Start(length - tail))?;
    let mut bytes = Vec::new();
    file.take(tail).read_to_end(&mut bytes)?;
    let number = |bytes: &[u8]| bytes.iter().rev().fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
    let Some(end) = memchr::memmem::rfind(&bytes, &END).filter(|end| end + 22 <= bytes.len()) else {
        return Ok(None);
    };
    let short = number(&bytes[end + 12..end + 16]);
    if short != u64::from(u32::MAX) || end < 20 {
        return Ok(Some(short));
    }
    // Before it is the way to the record of 64 bits.
    file.seek(SeekFrom::Start(number(&bytes[end - 12..end - 4])))?;
    let mut record = [0; 56];
    file.read_exact(&mut record)?;
    Ok(record.starts_with(&END64).then(|| number(&record[40..48])))
}

/// Packs a folder that steps cannot write to. Nothing is compressed, for it stays on this machine.
pub fn zip_folder(folder: &Path, target: &Path) -> Result<(), String> {
    let said = |error: io::Error| format!("{}: {error}", folder.display());
    let file = BufWriter::with_capacity(PIECE_BYTES, File::create(target).map_err(said)?);
    let mut zip = ZipWriter::new(file);
    let mut walk = Walk::new(folder).map_err(said)?;
    while let Some(piece) = walk.next()? {
        match piece {
            Packed::Entry(Entry { path, kind: EntryKind::File { size }, .. }) => {
                let options = SimpleFileOptions::default()
                    .compression_method(CompressionMethod::Stored)
                    .large_file(size >= u64::from(u32::MAX));
                let started = zip.start_file(String::from_utf8_lossy(&path), options);
                started.map_err(|error| said(error.into()))?;
            }
            Packed::Entry(_) => (),
            Packed::Data(bytes) => zip.write_all(&bytes).map_err(said)?,
        }
    }
    let mut file = zip.finish().map_err(|error| said(error.into()))?;
    file.flush().map_err(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_comes_back_out_of_its_zip() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("in");
        std::fs::create_dir_all(root.join("sub")).unwrap();
        std::fs::write(root.join("a"), "one").unwrap();
        std::fs::write(root.join("sub/b"), vec![7; 1_000_000]).unwrap();
        let archive = folder.path().join("a.zip");
        zip_folder(&root, &archive).unwrap();
        let mut writer = FolderWriter::new(folder.path().join("out"));
        unzip(&archive, &mut writer).unwrap();
        let stored = writer.finish();
        assert_eq!((stored.files, stored.size_bytes), (2, 1_000_003));
        assert_eq!(std::fs::read(folder.path().join("out/sub/b")).unwrap(), vec![7; 1_000_000]);
    }

    #[test]
    fn what_climbs_out_and_what_is_no_zip_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join("a.zip");
        for name in ["../out", "/etc/out", "a/../../out"] {
            let mut zip = ZipWriter::new(File::create(&archive).unwrap());
            zip.start_file(name, SimpleFileOptions::default()).unwrap();
            zip.write_all(b"x").unwrap();
            zip.finish().unwrap();
            let mut writer = FolderWriter::new(folder.path().join("out"));
            let refused = unzip(&archive, &mut writer).unwrap_err();
            assert!(refused.contains("climbs out"), "{refused}");
        }
        std::fs::write(&archive, "no zip").unwrap();
        let refused = unzip(&archive, &mut FolderWriter::new(folder.path().join("out"))).unwrap_err();
        assert!(refused.contains("not a zip"), "{refused}");
        // An end of contents that says it is longer than may be.
        let mut end = b"PK\x05\x06".to_vec();
        end.extend([0; 18]);
        end[12..16].copy_from_slice(&0x2000_0000_u32.to_le_bytes());
        std::fs::write(&archive, end).unwrap();
        let refused = unzip(&archive, &mut FolderWriter::new(folder.path().join("out"))).unwrap_err();
        assert!(refused.contains("larger than 256 MiB"), "{refused}");
    }

    #[test]
    fn links_in_a_zip_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join("a.zip");
        let mut zip = ZipWriter::new(File::create(&archive).unwrap());
        zip.add_symlink("link", "/etc/passwd", SimpleFileOptions::default()).unwrap();
        zip.finish().unwrap();
        let mut writer = FolderWriter::new(folder.path().join("out"));
        unzip(&archive, &mut writer).unwrap();
        assert_eq!(writer.finish().files, 0);
    }
}
