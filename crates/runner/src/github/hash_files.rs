use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use sha2::{Digest, Sha256};

/// At most so many files are looked at; a workspace with more is no place for `hashFiles`.
const FILES_LIMIT: usize = 500_000;

/// GitHub's `hashFiles`: the SHA-256 of the SHA-256 of every file that a pattern matches, in order of path; empty
/// where none does. A pattern that begins with `!` takes files out again.
pub fn hash_files(workspace: &Path, patterns: &[String]) -> Result<String, String> {
    let (mut wanted, mut unwanted) = (GlobSetBuilder::new(), GlobSetBuilder::new());
    for pattern in patterns.iter().flat_map(|pattern| pattern.lines()).map(str::trim) {
        match pattern.strip_prefix('!') {
            Some(pattern) => unwanted.add(glob(pattern)?),
            None if pattern.is_empty() || pattern.starts_with('#') => continue,
            None => wanted.add(glob(pattern)?),
        };
    }
    let set = |builder: GlobSetBuilder| builder.build().map_err(|error| error.to_string());
    let (wanted, unwanted) = (set(wanted)?, set(unwanted)?);
    let mut files = Vec::new();
    walk(workspace, Path::new(""), &wanted, &unwanted, &mut files)?;
    if files.is_empty() {
        return Ok(String::new());
    }
    let mut all = Sha256::new();
    for file in files {
        all.update(hash_of(&workspace.join(&file)).map_err(|error| format!("{}: {error}", file.display()))?);
    }
    Ok(hex(&all.finalize()))
}

fn glob(pattern: &str) -> Result<globset::Glob, String> {
    let pattern = pattern.trim_start_matches("./");
    let built = GlobBuilder::new(pattern).literal_separator(true).build();
    built.map_err(|error| format!("hashFiles: `{pattern}`: {error}"))
}

fn walk(
    folder: &Path,
    relative: &Path,
    wanted: &GlobSet,
    unwanted: &GlobSet,
    files: &mut Vec<PathBuf>,
) -> Result<(), String> {
    let entries = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
    names.sort();
    for name in names {
        let (path, below) = (folder.join(&name), relative.join(&name));
        // Links are not followed, so that nothing outside the workspace is read.
        let Ok(seen) = std::fs::symlink_metadata(&path) else { continue };
        if seen.is_dir() {
            walk(&path, &below, wanted, unwanted, files)?;
        } else if seen.is_file() && wanted.is_match(&below) && !unwanted.is_match(&below) {
            files.push(below);
        }
        if files.len() > FILES_LIMIT {
            return Err(format!("hashFiles: more than {FILES_LIMIT} files match"));
        }
    }
    Ok(())
}

/// The SHA-256 of a file.
pub fn hash_of(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash.finalize().to_vec()),
            count => hash.update(&buffer[..count]),
        }
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_hashed_by_pattern() {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in [("a/Cargo.lock", "1"), ("b/c/Cargo.lock", "2"), ("Cargo.toml", "3")] {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let hash = |patterns: &[&str]| {
            let patterns: Vec<String> = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
            hash_files(folder.path(), &patterns).unwrap()
        };
        assert_eq!(hash(&["none"]), "");
        assert_eq!(hash(&["Cargo.toml"]).len(), 64);
        assert_eq!(hash(&["**/Cargo.lock", "!b/**"]), hash(&["a/*.lock"]));
        assert_ne!(hash(&["**/Cargo.lock"]), hash(&["a/*.lock"]));
    }
}
