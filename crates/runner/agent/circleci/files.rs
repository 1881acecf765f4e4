use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::glob::component_matches;

/// The most patterns that braces may come to.
const ALTERNATIVES_LIMIT: usize = 10_000;

/// Prints the files that any of the patterns matches, in order, each once.
pub fn print(patterns: &[&str]) -> Result<(), String> {
    if patterns.is_empty() {
        return Err("`tests glob` needs a pattern".to_owned());
    }
    let mut found = BTreeSet::new();
    for pattern in patterns {
        for plain in expand_braces(pattern)? {
            find(&plain, &mut found);
        }
    }
    let mut out = std::io::stdout().lock();
    for path in found {
        let written = out.write_all(&path).and_then(|()| out.write_all(b"\n"));
        // Whoever read has enough, as with `| head`.
        if written.is_err() {
            break;
        }
    }
    Ok(())
}

/// `a{b,c}d` as `abd` and `acd`, nested ones too. A brace that is not closed, or has nothing to choose from, stays.
fn expand_braces(pattern: &str) -> Result<Vec<String>, String> {
    let mut pending = vec![pattern.to_owned()];
    let mut plain = Vec::new();
    while let Some(next) = pending.pop() {
        match first_choice(&next) {
            None => plain.push(next),
            Some((before, choices, after)) => {
                pending.extend(choices.iter().map(|choice| format!("{before}{choice}{after}")));
            }
        }
        if plain.len() + pending.len() > ALTERNATIVES_LIMIT {
            return Err(format!("the braces of `{pattern}` come to more than {ALTERNATIVES_LIMIT} patterns"));
        }
    }
    Ok(plain)
}

/// What stands before the first brace with a choice, the choices, and what stands behind it.
fn first_choice(pattern: &str) -> Option<(&str, Vec<&str>, &str)> {
    pattern.match_indices('{').find_map(|(open, _)| {
        let (mut depth, mut begin, mut choices) = (0, open + 1, Vec::new());
        for (at, byte) in pattern.bytes().enumerate().skip(open) {
            match byte {
                b'{' => depth += 1,
                b',' if depth == 1 => {
                    choices.push(&pattern[begin..at]);
                    begin = at + 1;
                }
                b'}' if depth == 1 => {
                    choices.push(&pattern[begin..at]);
                    return (choices.len() > 1).then(|| (&pattern[..open], choices, &pattern[at + 1..]));
                }
                b'}' => depth -= 1,
                _ => (),
            }
        }
        None
    })
}

fn find(pattern: &str, found: &mut BTreeSet<Vec<u8>>) {
    let (root, below) = match pattern.strip_prefix('/') {
        Some(below) => ("/", below),
        None => ("", pattern),
    };
    let mut components: Vec<&[u8]> = below.split('/').filter(|part| !part.is_empty()).map(str::as_bytes).collect();
    components.dedup_by(|second, first| *second == b"**" && *first == b"**");
    if !components.is_empty() {
        walk(Path::new(root), &components, found);
    }
}

/// Adds the files below `at` that the components lead to.
fn walk(at: &Path, components: &[&[u8]], found: &mut BTreeSet<Vec<u8>>) {
    let Some((first, rest)) = components.split_first() else {
        if at.is_file() {
            found.insert(at.as_os_str().as_bytes().to_vec());
        }
        return;
    };
    if *first == b"**" {
        walk_all(at, rest, found);
    } else if first.iter().any(|byte| b"*?[".contains(byte)) {
        for path in entries(at) {
            let name = path.file_name().map_or(&b""[..], OsStr::as_bytes);
            if component_matches(first, name) {
                walk(&path, rest, found);
            }
        }
    } else {
        walk(&at.join(OsStr::from_bytes(first)), rest, found);
    }
}

/// `**`: `rest` from here, and from every folder below. Links to folders are not followed, for they may lead in circles.
fn walk_all(at: &Path, rest: &[&[u8]], found: &mut BTreeSet<Vec<u8>>) {
    if !rest.is_empty() {
        walk(at, rest, found);
    }
    for path in entries(at) {
        if path.symlink_metadata().is_ok_and(|seen| seen.is_dir()) {
            walk_all(&path, rest, found);
        } else if rest.is_empty() && path.is_file() {
            found.insert(path.into_os_string().into_vec());
        }
    }
}

/// A folder that cannot be read has nothing to match.
fn entries(at: &Path) -> Vec<PathBuf> {
    let folder = if at.as_os_str().is_empty() { Path::new(".") } else { at };
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| at.join(entry.file_name())).collect()
}
