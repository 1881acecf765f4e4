//! What links of an artifact lead to: an artifact holds files alone, as GitHub's are.

use std::collections::HashMap;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use super::FolderWriter;
use crate::protocol::{Entry, EntryKind};
use crate::session::{Packed, Session};

/// The longest chain of links that is followed; Linux' own limit.
const CHAIN_LIMIT: usize = 40;

/// The links that a pack has met, by their paths as steps call them.
pub struct Links {
    root: PathBuf,
    met: HashMap<PathBuf, PathBuf>,
    order: Vec<PathBuf>,
}

impl Links {
    pub fn below(root: &str) -> Self {
        Self { root: PathBuf::from(root), met: HashMap::new(), order: Vec::new() }
    }

    /// Remembers the entry where it is a link.
    pub fn meet(&mut self, piece: &Packed) {
        let Packed::Entry(Entry { path, kind: EntryKind::Link { target }, .. }) = piece else { return };
        let relative = PathBuf::from(std::ffi::OsString::from_vec(path.clone()));
        let link = self.root.join(&relative);
        let target = Path::new(std::ffi::OsStr::from_bytes(target));
        let target = plain(&link.parent().unwrap_or(Path::new("/")).join(target));
        self.met.insert(link, target);
        self.order.push(relative);
    }

    /// Writes what they lead to in their places. One that leads nowhere is left out, as is a link behind a link to a folder.
    pub async fn follow(&self, session: &Session, writer: &mut FolderWriter) -> Result<(), String> {
        for relative in &self.order {
            let Some(target) = self.end_of(&self.root.join(relative)) else { continue };
            // A folder that holds the link would hold itself.
            if self.root.join(relative).starts_with(&target) {
                continue;
            }
            let (Some(folder), Some(name)) = (target.parent(), target.file_name()) else { continue };
            let mut problem = None;
            let (folder, itself) = (folder.to_string_lossy(), [globbed(&name.to_string_lossy())]);
            let packed = session.pack(&folder, &itself, |piece| {
                let piece = match piece {
                    Packed::Entry(entry) => {
                        let own = Path::new(std::ffi::OsStr::from_bytes(&entry.path));
                        let path = match own.strip_prefix(name) {
                            Ok(below) if below.as_os_str().is_empty() => relative.clone(),
                            Ok(below) => relative.join(below),
                            Err(_) => return Ok(()),
                        };
                        Packed::Entry(Entry { path: path.into_os_string().into_vec(), ..entry })
                    }
                    data => data,
                };
                writer.take(piece).inspect_err(|error| problem = Some(error.clone()))
            });
            // Where it leads nowhere there is nothing to pack; a problem of this side is one.
            let _ = packed.await;
            if let Some(problem) = problem {
                return Err(problem);
            }
        }
        Ok(())
    }

    /// None: a circle.
    fn end_of(&self, link: &Path) -> Option<PathBuf> {
        let mut path = link.to_owned();
        for _ in 0..CHAIN_LIMIT {
            match self.met.get(&path) {
                Some(target) => path.clone_from(target),
                None => return Some(path),
            }
        }
        None
    }
}

/// A pattern that is of this name alone.
fn globbed(name: &str) -> String {
    name.chars()
        .map(|c| if matches!(c, '*' | '?' | '[') { format!("[{c}]") } else { c.to_string() })
        .collect()
}

/// Without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}
