//! What is in the folder of a checkout before it begins.

use std::path::Path;

use super::{CheckoutError, Git};
use crate::place::Place;
use crate::session::{Launch, ProcessEvent};

/// What becomes of files that are in the folder already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Existing {
    /// They stay.
    #[default]
    Kept,
    /// They stay where the folder is a checkout of the same repository, and go where it is none (`clean: false` of
    /// `actions/checkout`).
    KeptOfSame,
    /// Only what git knows of stays in a checkout of the same repository; all goes where the folder is none.
    Cleaned,
}

/// On this machine. Says so where files are removed that are no checkout of `origin`
/// (actions/checkout, `git-directory-helper.ts`).
pub(super) async fn prepare(
    git: &Git<'_>,
    workspace: &Path,
    origin: &str,
    existing: Existing,
) -> Result<Option<String>, CheckoutError> {
    let failed = |error| CheckoutError::File { path: git.folder.to_owned(), error };
    let is_empty = std::fs::read_dir(git.folder).map_err(failed)?.next().is_none();
    if existing == Existing::Kept || is_empty {
        return Ok(None);
    }
    // A link in the workspace may lead out of it, and nothing is removed there.
    let (real, workspace) =
        (git.folder.canonicalize().map_err(failed)?, workspace.canonicalize().map_err(failed)?);
    if !real.starts_with(&workspace) {
        let said = format!("it leads to {}, out of the workspace", real.display());
        return Err(CheckoutError::NotEmptied { target: git.folder.display().to_string(), said });
    }
    let is_same = git.folder.join(".git").exists()
        && git.read(&["config", "--get", "remote.origin.url"]).await.is_ok_and(|url| url.trim() == origin);
    if is_same {
        if existing == Existing::KeptOfSame {
            return Ok(None);
        }
        let is_clean = git.run(&["clean", "-ffdxq"]).await.is_ok()
            && git.run(&["reset", "-q", "--hard", "HEAD"]).await.is_ok();
        if is_clean {
            return Ok(None);
        }
    }
    empty(git.folder).map_err(failed)?;
    Ok(Some(format!("Deleting the contents of '{}'", git.folder.display())))
}

fn empty(folder: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => std::fs::remove_dir_all(entry.path())?,
            false => std::fs::remove_file(entry.path())?,
        }
    }
    Ok(())
}

/// The same in a container, where only its own programs may look at what steps made. What is sent in replaces all that git
/// knows of.
pub(super) async fn prepare_inside(
    place: &Place,
    target: &str,
    existing: Existing,
) -> Result<(), CheckoutError> {
    let keeps_checkout = match existing {
        Existing::Kept => return Ok(()),
        Existing::KeptOfSame => "yes",
        Existing::Cleaned => "no",
    };
    let script = r#"[ "$2" = yes ] && [ -e "$1/.git" ] && exit; cd "$1" 2>/dev/null || exit 0; rm -rf ./* ./.[!.]* ./..?*"#;
    let argv = ["/bin/sh", "-c", script, "sh", target, keeps_checkout].map(str::to_owned).to_vec();
    let env = vec![("PATH".to_owned(), place.path.clone())];
    let launch = Launch { argv, env, directory: "/".to_owned(), files: Vec::new(), collect: Vec::new() };
    let failed = |error: crate::session::SessionError| CheckoutError::Depot(error.into());
    let mut process = place.session.start(launch).await.map_err(failed)?;
    let mut said = Vec::new();
    while let Some(event) = process.next().await {
        match event {
            ProcessEvent::Output { bytes, .. } => said.extend_from_slice(&bytes),
            ProcessEvent::Exited { code: 0, signal: 0, .. } => return Ok(()),
            _ => break,
        }
    }
    let said = String::from_utf8_lossy(&said).trim().to_owned();
    Err(CheckoutError::NotEmptied { target: target.to_owned(), said })
}
