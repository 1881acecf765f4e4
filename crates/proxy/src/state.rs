use std::fs::{self, File};
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::command::RouteKey;

/// What survives the process: one JSON file, replaced whole, with the one before it kept beside it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SavedRoutes {
    /// Grows with every write; the text of a file says which is newer.
    pub writes: u64,
    pub routes: Vec<SavedRoute>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedRoute {
    pub key: RouteKey,
    pub port: u16,
    pub also_on: Vec<IpAddr>,
    pub generation: u64,
    pub upstreams: Vec<SocketAddr>,
}

/// Neither the state nor its predecessor can be read. Starting without routes would answer every request with an
/// error and call that a success, so the process does not start.
#[derive(Debug, thiserror::Error)]
#[error(
    "the routes in {path} cannot be read ({reason}), and neither can those in {previous} ({previous_reason}): \
     put back a copy, or remove both files to start without routes"
)]
pub struct Unreadable {
    path: PathBuf,
    reason: String,
    previous: PathBuf,
    previous_reason: String,
}

#[derive(Debug)]
pub struct StateFolder {
    folder: PathBuf,
}

impl StateFolder {
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn current(&self) -> PathBuf {
        self.folder.join("routes.json")
    }

    fn previous(&self) -> PathBuf {
        self.folder.join("routes.previous.json")
    }

    /// Reads the routes; from the file before the last one when the last is damaged, which is logged.
    ///
    /// # Errors
    /// When there is something to read and none of it can be.
    pub fn load(&self) -> Result<SavedRoutes, Unreadable> {
        let (path, previous) = (self.current(), self.previous());
        if !path.exists() && !previous.exists() {
            return Ok(SavedRoutes::default());
        }
        let reason = match read(&path) {
            Ok(saved) => return Ok(saved),
            Err(reason) => reason,
        };
        match read(&previous) {
            Ok(saved) => {
                tracing::warn!(path = %path.display(), reason, "routes are damaged: going on with those before");
                Ok(saved)
            }
            Err(previous_reason) => Err(Unreadable { path, reason, previous, previous_reason }),
        }
    }

    /// Durable when it returns: the bytes, then the name. At every moment in between one whole file is in place.
    ///
    /// # Errors
    /// What the system says; the files are then as they were.
    pub fn save(&self, saved: &SavedRoutes) -> io::Result<()> {
        let (path, previous) = (self.current(), self.previous());
        let next = self.folder.join("routes.next.json");
        let mut file = File::create(&next)?;
        file.write_all(&serde_json::to_vec_pretty(saved)?)?;
        file.sync_all()?;
        // A damaged file does not push out the good one before it.
        if read(&path).is_ok() {
            let older = self.folder.join("routes.older.json");
            match fs::remove_file(&older) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            fs::hard_link(&path, &older)?;
            fs::rename(&older, &previous)?;
        }
        fs::rename(&next, &path)?;
        File::open(&self.folder)?.sync_all()
    }
}

fn read(path: &Path) -> Result<SavedRoutes, String> {
    let text = fs::read(path).map_err(|error| error.to_string())?;
    serde_json::from_slice(&text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saved(writes: u64) -> SavedRoutes {
        let route = SavedRoute {
            key: RouteKey::new("acme/shop/dev/api").unwrap(),
            port: 20_001,
            also_on: vec!["172.20.0.1".parse().unwrap()],
            generation: writes,
            upstreams: vec!["127.0.0.1:4000".parse().unwrap()],
        };
        SavedRoutes { writes, routes: vec![route] }
    }

    #[test]
    fn a_truncated_file_gives_way_to_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateFolder::new(folder.path());
        assert_eq!(state.load().unwrap(), SavedRoutes::default());
        state.save(&saved(1)).unwrap();
        state.save(&saved(2)).unwrap();
        assert_eq!(state.load().unwrap(), saved(2));

        let whole = fs::read(state.current()).unwrap();
        for length in 0..whole.len() {
            fs::write(state.current(), &whole[..length]).unwrap();
            assert_eq!(state.load().unwrap(), saved(1), "cut after {length} bytes");
        }
        state.save(&saved(3)).unwrap();
        assert_eq!(state.load().unwrap(), saved(3));
        assert_eq!(
            read(&state.previous()).unwrap(),
            saved(1),
            "the damaged file was kept instead of the good one"
        );
    }

    #[test]
    fn nothing_readable_is_no_empty_table() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateFolder::new(folder.path());
        fs::write(state.current(), "").unwrap();
        let message = state.load().unwrap_err().to_string();
        assert!(message.contains("routes.json") && message.contains("remove both files"), "{message}");
    }
}
