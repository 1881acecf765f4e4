use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use super::refusal::Refusal;
use crate::github::hex;

/// Blocks of one blob (Azure, "Scalability and performance targets for Blob storage").
const MOST_BLOCKS: usize = 50_000;
const LONGEST_BLOCK_ID_BYTES: usize = 128;

/// What an upload becomes when it is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    Cache { key: String, version: String },
    Artifact { name: String, is_zip: bool },
}

/// A blob in the making: in blocks that are put in order in the end, or at once.
pub struct Upload {
    pub id: u32,
    pub signature: String,
    pub purpose: Purpose,
    folder: PathBuf,
    limit_bytes: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The length of each, by its id.
    blocks: HashMap<String, u64>,
    received_bytes: u64,
    /// The length of the whole.
    committed_bytes: Option<u64>,
}

impl Upload {
    pub fn new(id: u32, purpose: Purpose, folder: PathBuf, limit_bytes: u64) -> io::Result<Self> {
        std::fs::create_dir_all(&folder)?;
        let signature = hex(&rand::random::<[u8; 16]>());
        Ok(Self { id, signature, purpose, folder, limit_bytes, state: Mutex::default() })
    }

    /// The file of the whole, and its length, once it is committed.
    pub fn whole(&self) -> Option<(PathBuf, u64)> {
        self.state().committed_bytes.map(|length| (self.folder.join("blob"), length))
    }

    /// Takes one block; a later one of the same id takes its place.
    pub async fn put_block<E: std::fmt::Display>(
        &self,
        id: &str,
        body: impl Stream<Item = Result<Bytes, E>> + Unpin,
    ) -> Result<u64, Refusal> {
        if id.is_empty() || id.len() > LONGEST_BLOCK_ID_BYTES {
            return Err(Refusal::invalid(format!("a block's id has 1 to {LONGEST_BLOCK_ID_BYTES} bytes")));
        }
        if self.state().blocks.len() >= MOST_BLOCKS {
            return Err(Refusal::too_large(format!("a blob has at most {MOST_BLOCKS} blocks")));
        }
        let part = self.folder.join(format!("part-{:016x}", rand::random::<u64>()));
        let received = self.receive(&part, body).await;
        let length = match received.and_then(|length| match std::fs::rename(&part, self.block(id)) {
            Ok(()) => Ok(length),
            Err(error) => Err(Refusal::internal(error.to_string())),
        }) {
            Ok(length) => length,
            Err(refusal) => {
                let _ = std::fs::remove_file(&part);
                return Err(refusal);
            }
        };
        let mut state = self.state();
        if let Some(replaced) = state.blocks.insert(id.to_owned(), length) {
            state.received_bytes -= replaced;
        }
        Ok(length)
    }

    async fn receive<E: std::fmt::Display>(
        &self,
        part: &Path,
        mut body: impl Stream<Item = Result<Bytes, E>> + Unpin,
    ) -> Result<u64, Refusal> {
        let internal = |error: io::Error| Refusal::internal(error.to_string());
        let file = tokio::fs::File::create(part).await.map_err(internal)?;
        let mut file = tokio::io::BufWriter::with_capacity(256 * 1024, file);
        let mut counted = Counted { upload: self, bytes: 0 };
        while let Some(piece) = body.next().await {
            let piece =
                piece.map_err(|error| Refusal::malformed(format!("the upload broke off: {error}")))?;
            counted.add(piece.len() as u64)?;
            file.write_all(&piece).await.map_err(internal)?;
        }
        file.flush().await.map_err(internal)?;
        Ok(std::mem::take(&mut counted.bytes))
    }

    /// Puts blocks together, in this order, as the whole.
    pub fn commit(&self, ids: &[String]) -> Result<u64, Refusal> {
        if let Some(missing) = ids.iter().find(|id| !self.state().blocks.contains_key(*id)) {
            return Err(Refusal::invalid(format!("there is no block of the id `{missing}`")));
        }
        let internal = |error: io::Error| Refusal::internal(error.to_string());
        let whole = self.folder.join("blob");
        let mut length = 0;
        match ids {
            [only] => {
                length = std::fs::metadata(self.block(only)).map_err(internal)?.len();
                std::fs::rename(self.block(only), &whole).map_err(internal)?;
            }
            _ => {
                let mut file = File::create(&whole).map_err(internal)?;
                for id in ids {
                    let mut block = File::open(self.block(id)).map_err(internal)?;
                    length += io::copy(&mut block, &mut file).map_err(internal)?;
                    // A blob may name a block twice, and then it is larger than what was received.
                    if length > self.limit_bytes {
                        return Err(self.too_large());
                    }
                }
                ids.iter().for_each(|id| drop(std::fs::remove_file(self.block(id))));
            }
        }
        let mut state = self.state();
        state.blocks.clear();
        state.committed_bytes = Some(length);
        Ok(length)
    }

    /// The ids of the blocks whose ids are numbers, in the order of these: chunks by their first byte, which have to lie
    /// side by side.
    pub fn chunks_in_order(&self) -> Result<Vec<String>, Refusal> {
        let state = self.state();
        let mut chunks: Vec<(u64, u64, &String)> =
            state.blocks.iter().filter_map(|(id, length)| Some((id.parse().ok()?, *length, id))).collect();
        chunks.sort_unstable();
        let mut end = 0;
        for (first, length, _) in &chunks {
            if *first != end {
                return Err(Refusal::invalid(format!("the bytes from {end} on are missing")));
            }
            end += length;
        }
        Ok(chunks.into_iter().map(|(_, _, id)| id.clone()).collect())
    }

    pub fn remove(&self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }

    fn block(&self, id: &str) -> PathBuf {
        self.folder.join(format!("block-{}", hex(&Sha256::digest(id))))
    }

    fn too_large(&self) -> Refusal {
        Refusal::too_large(format!("an upload may have {} bytes", self.limit_bytes))
    }

    /// Nothing that holds the lock can panic, so a poisoned one is as good as any.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one block has added to its upload so far; taken away again when the block does not come to its end.
struct Counted<'a> {
    upload: &'a Upload,
    bytes: u64,
}

impl Counted<'_> {
    fn add(&mut self, bytes: u64) -> Result<(), Refusal> {
        let mut state = self.upload.state();
        state.received_bytes += bytes;
        self.bytes += bytes;
        if state.received_bytes > self.upload.limit_bytes {
            drop(state);
            return Err(self.upload.too_large());
        }
        Ok(())
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.upload.state().received_bytes -= self.bytes;
    }
}
