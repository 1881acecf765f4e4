use std::fs;
use std::path::{Path, PathBuf};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sluice_deploy::{ImageProcess, ImageRef, Images, PullSource};

/// Images as folders: `HEX/root` and `HEX/process.json`.
pub struct Catalog {
    folder: PathBuf,
}

impl Catalog {
    pub fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }
}

impl Images for Catalog {
    fn unpack<'a>(
        &'a self,
        image: &'a ImageRef,
        folder: &'a Path,
    ) -> BoxFuture<'a, Result<ImageProcess, String>> {
        let unpack = move || {
            let image = self.folder.join(image.digest.hex());
            for entry in fs::read_dir(image.join("root"))? {
                let entry = entry?;
                fs::copy(entry.path(), folder.join(entry.file_name()))?;
            }
            Ok(serde_json::from_slice(&fs::read(image.join("process.json"))?)?)
        };
        async move { unpack().map_err(|error: std::io::Error| format!("the catalog: {error}")) }.boxed()
    }

    fn pull_source(&self, _: &ImageRef) -> PullSource {
        // Nobody listens there: what is pulled from it fails.
        PullSource { registry: "127.0.0.1:1".to_owned(), username: String::new(), password: String::new() }
    }
}

/// A name for the data folder, and so for all that is started for it.
pub fn owner(folder: &Path) -> String {
    let name = folder.parent().and_then(Path::file_name).unwrap_or_default();
    name.to_string_lossy().chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase()
}
