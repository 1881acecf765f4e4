use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::try_unfold;
use sluice_blobs::BlobFile;
use tokio::sync::watch;

/// A blob on its way from upstream: written once, read by as many clients as want it while it arrives.
pub(crate) struct Download {
    file: BlobFile,
    progress: watch::Receiver<Progress>,
}

#[derive(Debug, Clone)]
pub(crate) enum Progress {
    /// So many bytes are in the file.
    Arriving(u64),
    /// All are there, have their digest, and are kept.
    Kept,
    Failed(Arc<str>),
}

/// How much is read in one go.
const PIECE_BYTES: u64 = 512 * 1024;

impl Download {
    pub fn new(file: BlobFile, progress: watch::Receiver<Progress>) -> Self {
        Self { file, progress }
    }

    pub fn size_bytes(&self) -> u64 {
        self.file.size_bytes()
    }

    /// Waits for the end. The error says what went wrong.
    pub async fn finished(&self) -> Result<(), Arc<str>> {
        let mut progress = self.progress.clone();
        let ended = progress.wait_for(|progress| !matches!(progress, Progress::Arriving(_))).await;
        match ended.as_deref() {
            Ok(Progress::Failed(problem)) => Err(problem.clone()),
            Ok(_) => Ok(()),
            Err(_) => Err("the download was broken off".into()),
        }
    }

    /// The bytes of `range`, each as soon as it is there. The blob's last byte comes when all are known to have the
    /// digest, so that no client ever gets a whole blob that is another one.
    pub fn stream(self: Arc<Self>, range: Range<u64>) -> impl Stream<Item = io::Result<Bytes>> + Send {
        let end = range.end.min(self.size_bytes());
        let progress = self.progress.clone();
        try_unfold((self, progress, range.start), move |(download, mut progress, next)| async move {
            if next >= end {
                return Ok(None);
            }
            let there = download.there(&mut progress, next).await?;
            let until = end.min(there).min(next + PIECE_BYTES);
            let bytes = download.file.read(next..until).await?;
            Ok(Some((bytes, (download, progress, until))))
        })
    }

    /// Waits until more than `next` bytes may be read, and gives how many.
    async fn there(&self, progress: &mut watch::Receiver<Progress>, next: u64) -> io::Result<u64> {
        loop {
            let there = match &*progress.borrow_and_update() {
                Progress::Arriving(bytes) => (*bytes).min(self.size_bytes().saturating_sub(1)),
                Progress::Kept => self.size_bytes(),
                Progress::Failed(problem) => return Err(io::Error::other(problem.to_string())),
            };
            if there > next {
                return Ok(there);
            }
            progress.changed().await.map_err(|_| io::Error::other("the download was broken off"))?;
        }
    }
}
