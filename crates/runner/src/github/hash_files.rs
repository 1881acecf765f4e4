use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};
use sha2::{Digest, Sha256};

use crate::place::Shared;

/// At most so many files are looked at; a workspace with more is no place for `hashFiles`.
const FILES_LIMIT: usize = 500_000;

/// The option that may stand before the patterns.
const FOLLOW: &str = "--follow-symbolic-links";

/// GitHub's `hashFiles`: the SHA-256 of the SHA-256 of every file of the workspace that a pattern matches; empty where none
/// does (actions/runner, `src/Misc/expressionFunc/hashFiles`, on actions/toolkit's `glob`).
///
/// A pattern of a folder is of all below it, one that begins with `!` takes out what those before it matched, and files come
/// in the order of the patterns' folders, then of names.
pub fn hash_files(workspace: &Shared, arguments: &[String]) -> Result<String, String> {
    let (follows, patterns) = match arguments {
        [option, patterns @ ..] if option.starts_with("--") => {
            if !option.eq_ignore_ascii_case(FOLLOW) {
                return Err(format!("Invalid glob option {option}, avaliable option: '{FOLLOW}'."));
            }
            (true, patterns)
        }
        patterns => (false, patterns),
    };
    let lines = patterns.iter().flat_map(|pattern| pattern.lines()).map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let patterns = lines.map(|line| Pattern::of(line, &workspace.inside)).collect::<Result<Vec<_>, _>>()?;
    let root = workspace.outside.canonicalize().map_err(|error| format!("{}: {error}", workspace.inside))?;
    let mut search =
        Search { root, inside: &workspace.inside, patterns: &patterns, follows, files: Vec::new() };
    for start in starts(&patterns, &workspace.inside) {
        search.visit(&start, &mut Vec::new())?;
    }
    if search.files.is_empty() {
        return Ok(String::new());
    }
    let mut all = Sha256::new();
    for file in search.files {
        all.update(hash_of(&file).map_err(|error| format!("{}: {error}", file.display()))?);
    }
    Ok(hex(&all.finalize()))
}

/// One line of what `hashFiles` is given.
struct Pattern {
    takes_out: bool,
    /// Of the path itself. None: it is of folders only.
    itself: Option<GlobMatcher>,
    below: GlobMatcher,
    /// The folders before the first wildcard, as steps call them.
    start: PathBuf,
}

impl Pattern {
    fn of(line: &str, workspace: &str) -> Result<Self, String> {
        let pattern = line.trim_start_matches('!');
        let takes_out = (line.len() - pattern.len()) % 2 == 1;
        let pattern = pattern.trim();
        let has_relative =
            pattern.split('/').enumerate().any(|(at, part)| part == ".." || (part == "." && at > 0));
        if has_relative {
            return Err(format!(
                "Invalid pattern '{pattern}'. Relative pathing '.' and '..' is not allowed."
            ));
        }
        let path = match pattern.strip_prefix('.').filter(|rest| rest.is_empty() || rest.starts_with('/')) {
            Some(rest) => format!("{}{rest}", escaped(workspace)),
            None if pattern.starts_with(['/', '~']) => pattern.to_owned(),
            None => format!("{}/{pattern}", escaped(workspace)),
        };
        let trimmed = path.trim_end_matches('/');
        let is_folder = trimmed.len() < path.len();
        let is_wild = |part: &&str| part.contains(['*', '?', '[', '\\']);
        let start = if trimmed.starts_with(escaped(workspace).as_str()) {
            let below = trimmed[escaped(workspace).len()..].split('/').take_while(|part| !is_wild(part));
            below.filter(|part| !part.is_empty()).fold(PathBuf::from(workspace), |path, part| path.join(part))
        } else {
            trimmed
                .split('/')
                .take_while(|part| !is_wild(part))
                .fold(PathBuf::from("/"), |path, part| path.join(part))
        };
        let below = if trimmed.ends_with("/**") { trimmed.to_owned() } else { format!("{trimmed}/**") };
        let itself = if is_folder { None } else { Some(glob(trimmed)?) };
        Ok(Self { takes_out, itself, below: glob(&below)?, start })
    }

    fn matches(&self, path: &Path) -> bool {
        self.itself.as_ref().is_some_and(|glob| glob.is_match(path)) || self.below.is_match(path)
    }
}

/// Braces mean nothing in these patterns, and a bracket without its end is none.
fn glob(pattern: &str) -> Result<GlobMatcher, String> {
    let plain = pattern.replace('{', "[{]").replace('}', "[}]");
    let build = |pattern: &str| GlobBuilder::new(pattern).literal_separator(true).build();
    let built = build(&plain).or_else(|_| build(&escaped(pattern)));
    Ok(built.map_err(|error| format!("hashFiles: `{pattern}`: {error}"))?.compile_matcher())
}

/// A pattern that is of this path alone.
fn escaped(path: &str) -> String {
    globset::escape(path)
}

/// Where the search begins, in the order of the patterns; what is below another start begins there.
fn starts(patterns: &[Pattern], workspace: &str) -> Vec<PathBuf> {
    let all: Vec<&PathBuf> =
        patterns.iter().filter(|pattern| !pattern.takes_out).map(|pattern| &pattern.start).collect();
    let mut starts: Vec<PathBuf> = Vec::new();
    for start in &all {
        let is_below_other = all.iter().any(|other| other != start && start.starts_with(other));
        // A search from above comes by the workspace, and nothing else counts.
        let start =
            if Path::new(workspace).starts_with(start) { PathBuf::from(workspace) } else { (*start).clone() };
        if !is_below_other && !starts.contains(&start) {
            starts.push(start);
        }
    }
    starts
}

struct Search<'a> {
    /// The workspace on this machine.
    root: PathBuf,
    /// The workspace as steps call it.
    inside: &'a str,
    patterns: &'a [Pattern],
    follows: bool,
    files: Vec<PathBuf>,
}

impl Search<'_> {
    /// `path` is as steps call it, `above` are the folders that it is in.
    fn visit(&mut self, path: &Path, above: &mut Vec<PathBuf>) -> Result<(), String> {
        let Ok(below) = path.strip_prefix(self.inside) else { return Ok(()) };
        let outside = self.root.join(below);
        let Ok(seen) = std::fs::symlink_metadata(&outside) else { return Ok(()) };
        // A link counts for what it leads to, as long as that is in the workspace.
        let Some(real) = outside.canonicalize().ok().filter(|real| real.starts_with(&self.root)) else {
            return Ok(());
        };
        let is_folder = seen.is_dir() || (self.follows && real.is_dir());
        if is_folder {
            if above.contains(&real) {
                return Ok(());
            }
            let entries = std::fs::read_dir(&real).map_err(|error| format!("{}: {error}", path.display()))?;
            let mut names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
            names.sort();
            above.push(real);
            for name in names {
                self.visit(&path.join(name), above)?;
            }
            above.pop();
        } else if real.is_file() && self.is_wanted(path) {
            self.files.push(real);
            if self.files.len() > FILES_LIMIT {
                return Err(format!("hashFiles: more than {FILES_LIMIT} files match"));
            }
        }
        Ok(())
    }

    fn is_wanted(&self, path: &Path) -> bool {
        self.patterns.iter().fold(false, |wanted, pattern| match pattern.takes_out {
            true => wanted && !pattern.matches(path),
            false => wanted || pattern.matches(path),
        })
    }
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

    const FILES: [(&str, &str); 6] = [
        ("a/Cargo.lock", "1"),
        ("b/c/Cargo.lock", "2"),
        ("Cargo.toml", "3"),
        ("{x}.txt", "4"),
        ("z.txt", "5"),
        ("b/.hidden", "6"),
    ];

    fn workspace() -> (tempfile::TempDir, Shared) {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in FILES {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let workspace = Shared::at(folder.path().to_owned(), "/__w/shop/shop");
        (folder, workspace)
    }

    /// The hash of these texts' hashes.
    fn of(texts: &[&str]) -> String {
        let all: Vec<u8> = texts.iter().flat_map(Sha256::digest).collect();
        if texts.is_empty() { String::new() } else { hex(&Sha256::digest(all)) }
    }

    fn check(workspace: &Shared, patterns: &[&str], texts: &[&str]) {
        let arguments: Vec<String> = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
        assert_eq!(hash_files(workspace, &arguments).unwrap(), of(texts), "{patterns:?}");
    }

    #[test]
    fn files_are_hashed_by_pattern() {
        let (_folder, workspace) = workspace();
        for (patterns, texts) in [
            (&["none"][..], &[][..]),
            (&["Cargo.toml"], &["3"]),
            (&["./Cargo.toml"], &["3"]),
            (&["/__w/shop/shop/Cargo.toml"], &["3"]),
            (&["/elsewhere/Cargo.toml", "~/Cargo.toml"], &[]),
            (&["**/Cargo.lock", "!b/**"], &["1"]),
            (&["**/Cargo.lock\n# a comment\n!a/**"], &["2"]),
            // What is taken out may be taken in again.
            (&["**/Cargo.lock", "!**/Cargo.lock", "a/Cargo.lock"], &["1"]),
            // A folder is all below it, hidden files too.
            (&["b"], &["6", "2"]),
            (&["b/"], &["6", "2"]),
            (&["Cargo.toml/"], &[]),
            // The order is that of the patterns, then of names.
            (&["z.txt", "Cargo.toml"], &["5", "3"]),
            (&["z.txt", "**/*.toml"], &["3", "5"]),
            (&["{x}.txt"], &["4"]),
            (&["{z,x}.txt"], &[]),
            (&["[z].txt", "[unclosed"], &["5"]),
        ] {
            check(&workspace, patterns, texts);
        }
    }

    #[test]
    fn links_are_followed_within_the_workspace() {
        let (folder, workspace) = workspace();
        let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, folder.path().join(name)).unwrap();
        link("z.txt", "file");
        link("/etc/passwd", "outside");
        link("b", "folder");
        link("../b", "b/up");
        check(&workspace, &["file"], &["5"]);
        check(&workspace, &["outside"], &[]);
        check(&workspace, &["folder"], &[]);
        check(&workspace, &["--follow-symbolic-links", "folder"], &["6", "2"]);
    }

    #[test]
    fn what_no_pattern_can_be_is_said() {
        let (_folder, workspace) = workspace();
        let refused = |argument: &str| hash_files(&workspace, &[argument.to_owned()]).unwrap_err();
        assert!(refused("a/../b").contains("Relative pathing"));
        assert!(refused("--follow").contains("--follow-symbolic-links"));
    }
}
