use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use sluice_model::Digest;

use crate::{Algorithm, UploadId};

/// Where things lie under the folder of a blob store.
///
/// ```text
/// sha256/ab/ab12…       a blob: complete, flushed, never written again
/// sha256/ab/ab12….away  a blob in the bucket: its size in bytes, as text
/// bucket                the URL of the bucket that has such blobs
/// quarantine/sha256-…   what was a blob, and rotted
/// uploads/<id>-<scope>  an upload that may still grow
/// uploads/new-<id>      a blob that is being written in one go; left only by a crash
/// ```
#[derive(Debug)]
pub(crate) struct Layout {
    root: PathBuf,
}

/// What begins the name of a file that no later request can find again.
pub(crate) const UNNAMED: &str = "new-";

/// What ends the name of the file that stands for a blob in the bucket.
pub(crate) const AWAY: &str = ".away";

impl Layout {
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn uploads(&self) -> PathBuf {
        self.root.join("uploads")
    }

    pub fn algorithm(&self, algorithm: Algorithm) -> PathBuf {
        self.root.join(algorithm.as_str())
    }

    /// The digest's form is checked by its type, so that this path cannot leave the folder.
    pub fn blob(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.root.join(digest.algorithm()).join(&hex[..2]).join(hex)
    }

    pub fn away(&self, digest: &Digest) -> PathBuf {
        let mut path = self.blob(digest).into_os_string();
        path.push(AWAY);
        path.into()
    }

    pub fn bucket(&self) -> PathBuf {
        self.root.join("bucket")
    }

    pub fn quarantined(&self, digest: &Digest) -> PathBuf {
        self.root.join("quarantine").join(format!("{}-{}", digest.algorithm(), digest.hex()))
    }

    pub fn unnamed(&self) -> PathBuf {
        self.uploads().join(format!("{UNNAMED}{}", uuid::Uuid::now_v7()))
    }

    pub fn upload(&self, id: &UploadId, scope: &str) -> PathBuf {
        let scope = crate::digest_of(Algorithm::Sha256, scope.as_bytes());
        self.uploads().join(format!("{id}-{}", &scope.hex()[..16]))
    }
}

/// Makes a folder's entries durable: a rename is safe only after this.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
