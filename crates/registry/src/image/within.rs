use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

/// As the kernel: more links than this on the way are a circle.
const LINKS: usize = 40;

/// Where `path` lies when `root` is taken for `/`: every link on the way is followed as it would be there, so that the
/// result is always inside. The last component is not followed. Nothing need exist yet.
///
/// This is right only while nobody else changes the folder.
///
/// # Errors
/// When `path` has `..`, or names nothing, or the links go round in a circle.
pub(crate) fn join(root: &Path, path: &Path) -> io::Result<PathBuf> {
    let refused = |reason: &str| io::Error::other(format!("`{}` {reason}", path.display()));
    let mut parts = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => parts.push(name.to_owned()),
            Component::CurDir | Component::RootDir => {}
            Component::ParentDir => return Err(refused("climbs out with `..`")),
            Component::Prefix(_) => return Err(refused("has a drive")),
        }
    }
    let last = parts.pop().ok_or_else(|| refused("names nothing"))?;
    parts.reverse();
    let (mut inside, mut links) = (PathBuf::new(), 0);
    while let Some(name) = parts.pop() {
        let next = inside.join(&name);
        match fs::symlink_metadata(root.join(&next)) {
            Ok(meta) if meta.is_symlink() => {
                links += 1;
                if links > LINKS {
                    return Err(refused("goes through too many links"));
                }
                let target = fs::read_link(root.join(&next))?;
                if target.is_absolute() {
                    inside = PathBuf::new();
                }
                for component in target.components().rev() {
                    match component {
                        Component::Normal(name) => parts.push(name.to_owned()),
                        Component::ParentDir => parts.push("..".into()),
                        Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
                    }
                }
            }
            // At the root, `..` is the root itself.
            _ if name == ".." => {
                inside.pop();
            }
            _ => inside = next,
        }
    }
    Ok(root.join(inside).join(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_and_no_link_leads_out() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("usr/bin")).unwrap();
        let link = |target: &str, name: &str| std::os::unix::fs::symlink(target, root.join(name)).unwrap();
        link("usr/bin", "bin");
        link("/usr", "absolute");
        link("../../../../etc", "climbs");
        link("circle", "circle");
        link("/etc/passwd", "usr/last");
        for (path, expected) in [
            ("a", "a"),
            ("/a/b", "a/b"),
            ("./a/./b", "a/b"),
            ("bin/sh", "usr/bin/sh"),
            ("absolute/bin/sh", "usr/bin/sh"),
            ("climbs/passwd", "etc/passwd"),
            ("usr/last", "usr/last"),
        ] {
            assert_eq!(join(root, Path::new(path)).unwrap(), root.join(expected), "{path}");
        }
        for path in ["", "/", ".", "..", "../a", "a/../../b", "a/..", "circle/a"] {
            assert!(join(root, Path::new(path)).is_err(), "{path} was taken");
        }
    }
}
