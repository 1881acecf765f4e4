//! The key that the server signs statements about images with, and those that it signed with before.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::Context as _;
use sluice_registry::attest::{PublicKey, SigningKey};

/// PEM text of a PKCS#8 private key. Another one may be put into its place while the server is down.
const KEY: &str = "signing-key.pem";
/// PEM texts of the public halves of keys that were replaced, the last at the end.
const RETIRED: &str = "retired-signing-keys.pem";

/// The keys of one data folder.
pub(crate) struct Signing {
    data: PathBuf,
    keys: RwLock<Keys>,
}

#[derive(Clone)]
struct Keys {
    current: Arc<SigningKey>,
    retired: Vec<PublicKey>,
}

impl Signing {
    /// Opens the folder's key, making one at the first start.
    pub(crate) fn open(data: &Path) -> anyhow::Result<Self> {
        let path = data.join(KEY);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => make(data)?,
            other => other.with_context(|| format!("the signing key {}", path.display()))?,
        };
        let current = SigningKey::from_pem(&text).with_context(|| {
            format!("the signing key {}; remove it to have a new one made", path.display())
        })?;
        let retired = read_retired(&data.join(RETIRED))?;
        let keys = RwLock::new(Keys { current: Arc::new(current), retired });
        Ok(Self { data: data.to_owned(), keys })
    }

    pub(crate) fn key(&self) -> Arc<SigningKey> {
        self.keys().current
    }

    /// The current one first.
    pub(crate) fn public(&self) -> Vec<PublicKey> {
        let Keys { current, retired } = self.keys();
        [current.public()].into_iter().chain(retired.into_iter().rev()).collect()
    }

    /// Signs with a new key from now on. What the one before has signed stays good.
    pub(crate) fn replace(&self) -> anyhow::Result<()> {
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let before = keys.current.public();
        let mut file = OpenOptions::new().create(true).append(true).open(self.data.join(RETIRED))?;
        file.write_all(before.pem().as_bytes())?;
        file.sync_all()?;
        keys.retired.push(before);
        keys.current = Arc::new(SigningKey::from_pem(&make(&self.data)?)?);
        Ok(())
    }

    fn keys(&self) -> Keys {
        // Both fields are whole at every moment, whoever panicked while holding them.
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Writes a new key, that only this account reads, over the one before.
fn make(data: &Path) -> anyhow::Result<String> {
    let text = SigningKey::generate_pem().context("the system's random numbers failed")?;
    let (path, new) = (data.join(KEY), data.join(format!("{KEY}.new")));
    let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, &path)?;
    File::open(data)?.sync_all()?;
    Ok(text)
}

fn read_retired(path: &Path) -> anyhow::Result<Vec<PublicKey>> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let blocks = text.split_inclusive("-----END PUBLIC KEY-----\n").filter(|block| !block.trim().is_empty());
    let keys = blocks.map(PublicKey::from_pem).collect::<Result<_, _>>();
    keys.with_context(|| format!("the retired keys in {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_a_replaced_one_stays_good() {
        let folder = tempfile::tempdir().unwrap();
        let signing = Signing::open(folder.path()).unwrap();
        let first = signing.public();
        assert_eq!(Signing::open(folder.path()).unwrap().public(), first);
        let mode = fs::metadata(folder.path().join(KEY)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        signing.replace().unwrap();
        let after = signing.public();
        assert_eq!((after.len(), after[1]), (2, first[0]));
        assert_ne!(after[0], first[0]);
        signing.replace().unwrap();
        assert_eq!(Signing::open(folder.path()).unwrap().public(), signing.public());
        fs::write(folder.path().join(KEY), "no key").unwrap();
        let refusal = Signing::open(folder.path()).err().unwrap();
        assert!(format!("{refusal:#}").contains("signing-key.pem"), "{refusal:#}");
    }
}
