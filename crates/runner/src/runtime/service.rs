use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::facts::Facts;
use super::refusal::Refusal;
use super::uploads::{Purpose, Upload};
use crate::github::hex;

/// Uploads that are under way at once.
const MOST_UPLOADS: usize = 1_000;
/// Downloads that a job was given addresses for.
const MOST_DOWNLOADS: usize = 100_000;

/// What the APIs of one job share.
pub struct Service {
    pub facts: Facts,
    pub token: String,
    /// `http://127.0.0.1:PORT`
    pub address: String,
    next: AtomicU32,
    uploads: Mutex<HashMap<u32, Arc<Upload>>>,
    downloads: Mutex<HashMap<u32, Arc<Download>>>,
}

/// A file that whoever has its address may read.
pub struct Download {
    pub signature: String,
    pub file: PathBuf,
    pub content_type: &'static str,
    /// What to call it.
    pub name: Option<String>,
}

impl Service {
    pub fn new(facts: Facts, token: String, address: String) -> Self {
        let (uploads, downloads) = (Mutex::default(), Mutex::default());
        Self { facts, token, address, next: AtomicU32::new(1), uploads, downloads }
    }

    /// Begins an upload; one for the same purpose that was begun before is given up.
    pub fn begin_upload(&self, purpose: Purpose) -> Result<Arc<Upload>, Refusal> {
        self.end_upload(&purpose);
        if self.uploads().len() >= MOST_UPLOADS {
            return Err(Refusal::too_large(format!("{MOST_UPLOADS} uploads are under way already")));
        }
        let id = self.number();
        let folder = self.facts.folder.join(format!("upload-{id}"));
        let upload = Upload::new(id, purpose, folder, self.facts.upload_limit_bytes);
        let upload = Arc::new(upload.map_err(|error| Refusal::internal(error.to_string()))?);
        self.uploads().insert(id, upload.clone());
        Ok(upload)
    }

    pub fn upload(&self, id: u32) -> Option<Arc<Upload>> {
        self.uploads().get(&id).cloned()
    }

    pub fn upload_for(&self, purpose: impl Fn(&Purpose) -> bool) -> Option<Arc<Upload>> {
        self.uploads().values().find(|upload| purpose(&upload.purpose)).cloned()
    }

    pub fn end_upload(&self, purpose: &Purpose) {
        self.uploads().retain(|_, upload| {
            let is_other = upload.purpose != *purpose;
            if !is_other {
                upload.remove();
            }
            is_other
        });
    }

    /// The address by which the toolkits' client of Azure's storage puts a blob.
    pub fn upload_url(&self, upload: &Upload) -> String {
        format!("{}/runtime/uploads/{}?sig={}", self.address, upload.id, upload.signature)
    }

    /// The address by which a file can be read as long as the job runs.
    pub fn download_url(
        &self,
        file: &Path,
        content_type: &'static str,
        name: Option<String>,
    ) -> Result<String, Refusal> {
        let mut downloads = self.downloads();
        if downloads.len() >= MOST_DOWNLOADS {
            return Err(Refusal::too_large(format!("a job may ask for {MOST_DOWNLOADS} downloads")));
        }
        let id = self.number();
        let signature = hex(&rand::random::<[u8; 16]>());
        let url = format!("{}/runtime/downloads/{id}?sig={signature}", self.address);
        downloads.insert(id, Arc::new(Download { signature, file: file.to_owned(), content_type, name }));
        Ok(url)
    }

    pub fn download(&self, id: u32) -> Option<Arc<Download>> {
        self.downloads().get(&id).cloned()
    }

    pub fn number(&self) -> u32 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Nothing that holds the locks can panic, so a poisoned one is as good as any.
    fn uploads(&self) -> MutexGuard<'_, HashMap<u32, Arc<Upload>>> {
        self.uploads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn downloads(&self) -> MutexGuard<'_, HashMap<u32, Arc<Download>>> {
        self.downloads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The message of a call, as JSON.
pub fn message<M: DeserializeOwned>(body: &Bytes) -> Result<M, Refusal> {
    serde_json::from_slice(body)
        .map_err(|error| Refusal::malformed(format!("the message is not what it has to be: {error}")))
}

/// A 64-bit number of Protocol Buffers in JSON: text, and readers take numbers too ("ProtoJSON Format").
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Int64 {
    Text(String),
    Number(u64),
}

impl Int64 {
    pub fn get(&self) -> Result<u64, Refusal> {
        match self {
            Self::Number(number) => Ok(*number),
            Self::Text(text) => {
                text.parse().map_err(|_| Refusal::malformed(format!("`{text}` is not a 64-bit number")))
            }
        }
    }
}
