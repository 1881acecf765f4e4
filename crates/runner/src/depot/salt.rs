use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::{Depot, DepotError};
use crate::log::Masker;

const LENGTH_BYTES: usize = 32;

impl Depot {
    /// A cache's key as it is kept: each secret in it replaced by a digest that only this depot gives, so that nobody who
    /// sees the folder can try values.
    pub fn kept_key(&self, masker: &Masker, key: &str) -> Result<String, DepotError> {
        if !masker.reveals(key) {
            return Ok(key.to_owned());
        }
        let salt = salt(&self.salt).map_err(|error| DepotError::File { path: self.salt.clone(), error })?;
        Ok(masker.digest_text(key, &salt))
    }
}

/// The depot's salt, made when it is first asked for. Nobody but its owner may read it.
fn salt(path: &Path) -> io::Result<Vec<u8>> {
    match std::fs::read(path) {
        Ok(salt) if salt.len() == LENGTH_BYTES => return Ok(salt),
        Ok(_) => {
            return Err(io::Error::other("this is no salt of Sluice's; remove it, and caches are made anew"));
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Err(_) => {}
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    // Two at once agree: the one that links first is the one that both read.
    let own = path.with_extension(format!("new-{:016x}", rand::random::<u64>()));
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&own)?;
    file.write_all(&rand::random::<[u8; LENGTH_BYTES]>())?;
    let linked = std::fs::hard_link(&own, path);
    std::fs::remove_file(&own)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => std::fs::read(path),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use sluice_model::RunId;

    use super::*;

    #[test]
    fn a_key_is_kept_without_its_secrets_and_by_each_depot_in_its_own_way() {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let depots = folders.each_ref().map(|folder| {
            let (repository, instance) = ("acme/store".parse().unwrap(), "build".parse().unwrap());
            Depot::new(folder.path(), RunId(1), &repository, &instance, 1)
        });
        let masker = Masker::default().with(["abc-secret"]);
        let kept = |depot: &Depot, key: &str| depot.kept_key(&masker, key).unwrap();
        assert_eq!(kept(&depots[0], "plain"), "plain");
        assert!(!depots[0].salt.exists());
        let first = kept(&depots[0], "v1-abc-secret-x");
        assert!(!first.contains("abc-secret") && first.starts_with("v1-secret-"), "{first}");
        assert!(first.starts_with(&kept(&depots[0], "v1-abc-secret-")));
        assert_ne!(first, kept(&depots[1], "v1-abc-secret-x"));
        let mode = std::fs::metadata(&depots[0].salt).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
