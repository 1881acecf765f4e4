use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Component, Path};

use super::Package;
use super::packages;

/// The files of an image that name its packages, as the layers that were applied so far leave them.
#[derive(Default)]
pub(super) struct Files {
    /// By the path without its first slash.
    kept: BTreeMap<String, Vec<u8>>,
    bytes: u64,
    is_cut: bool,
}

/// Package databases are far smaller; what is beyond is not read, and said to be missing.
const FILE_BYTES: u64 = 16 * 1024 * 1024;
const ALL_BYTES: u64 = 128 * 1024 * 1024;
/// What a layer may unpack to: a small one can hold a very large file.
const LAYER_BYTES: u64 = 64 * 1024 * 1024 * 1024;

const WHITEOUT: &str = ".wh.";
const OPAQUE: &str = ".wh..wh..opq";

impl Files {
    /// Puts one layer on those before (OCI image-spec 1.1, layer.md, "Applying Changesets").
    pub fn apply(&mut self, packed: impl Read) -> io::Result<()> {
        let plain = crate::image::extract::decompress(packed)?.take(LAYER_BYTES);
        let mut archive = tar::Archive::new(plain);
        let mut fresh: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        for entry in archive.entries()? {
            let mut entry = entry?;
            let Some(path) = plain_path(&entry.path()?) else { continue };
            let (folder, name) = path.rsplit_once('/').unwrap_or(("", path.as_str()));
            if name == OPAQUE {
                self.remove_below(folder);
            } else if let Some(gone) = name.strip_prefix(WHITEOUT) {
                let gone = if folder.is_empty() { gone.to_owned() } else { format!("{folder}/{gone}") };
                self.remove(&gone);
            } else if entry.header().entry_type().is_dir() {
                // What lies below stays.
            } else {
                self.remove(&path);
                fresh.remove(&path);
                if entry.header().entry_type().is_file() && packages::is_wanted(&path) {
                    self.keep(&mut fresh, path, &mut entry)?;
                }
            }
        }
        self.kept.extend(fresh);
        Ok(())
    }

    /// Whether something was too large to be read.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    pub fn packages(&self) -> Vec<Package> {
        packages::found(&self.kept)
    }

    fn keep(
        &mut self,
        fresh: &mut BTreeMap<String, Vec<u8>>,
        path: String,
        entry: &mut impl Read,
    ) -> io::Result<()> {
        let room = FILE_BYTES.min(ALL_BYTES.saturating_sub(self.bytes));
        let mut bytes = Vec::new();
        entry.take(room + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > room {
            self.is_cut = true;
            return Ok(());
        }
        self.bytes += bytes.len() as u64;
        fresh.insert(path, bytes);
        Ok(())
    }

    fn remove(&mut self, path: &str) {
        self.kept.remove(path);
        self.remove_below(path);
    }

    fn remove_below(&mut self, folder: &str) {
        let below = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        self.kept.retain(|path, _| !path.starts_with(&below));
    }
}

/// Without a first slash or `./`; none where it climbs, is no text, or is the root.
fn plain_path(path: &Path) -> Option<String> {
    let mut parts = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::CurDir | Component::RootDir => {}
            Component::ParentDir | Component::Prefix(_) => return None,
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(files: &[(&str, &str)]) -> Vec<u8> {
        let mut tar = tar::Builder::new(Vec::new());
        for (path, text) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            tar.append_data(&mut header, path, text.as_bytes()).unwrap();
        }
        tar.into_inner().unwrap()
    }

    fn names(files: &Files) -> Vec<String> {
        files.packages().into_iter().map(|package| format!("{} {}", package.name, package.version)).collect()
    }

    #[test]
    fn later_layers_replace_and_take_away() {
        let mut files = Files::default();
        let status = "Package: libc6\nStatus: install ok installed\nVersion: 2.36\nArchitecture: amd64\n";
        let apk = "P:musl\nV:1.2.4-r2\nA:x86_64\n\n";
        let npm = |name: &str| format!(r#"{{"name":"{name}","version":"1.0.0"}}"#);
        let first = [
            ("./var/lib/dpkg/status", status),
            ("lib/apk/db/installed", apk),
            ("app/node_modules/a/package.json", &npm("a")),
            ("app/node_modules/b/package.json", &npm("b")),
            ("app/package.json", &npm("the-app-itself")),
        ];
        files.apply(&layer(&first)[..]).unwrap();
        assert_eq!(names(&files), ["libc6 2.36", "musl 1.2.4-r2", "a 1.0.0", "b 1.0.0"]);
        let second = [
            ("var/lib/dpkg/status", status.replace("2.36", "2.37").as_str()),
            ("lib/apk/db/.wh.installed", ""),
            ("app/node_modules/.wh.a", ""),
            ("app/node_modules/b/.wh..wh..opq", ""),
        ]
        .map(|(path, text)| (path, text.to_owned()));
        let second: Vec<(&str, &str)> = second.iter().map(|(path, text)| (*path, text.as_str())).collect();
        files.apply(&layer(&second)[..]).unwrap();
        assert_eq!(names(&files), ["libc6 2.37"]);
        assert!(!files.is_cut());
    }

    #[test]
    fn what_is_too_large_is_said_to_be_missing() {
        let mut files = Files::default();
        let large = "x".repeat(FILE_BYTES as usize + 1);
        files.apply(&layer(&[("var/lib/dpkg/status", &large)])[..]).unwrap();
        assert!(files.is_cut() && names(&files).is_empty());
        assert!(files.apply(&b"no tar at all"[..]).is_err() || names(&files).is_empty());
    }
}
