use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::Stream;
use tokio::task::JoinHandle;

/// How much is read in one go: enough to make the hop to a blocking thread cheap.
const READ_BYTES: u64 = 512 * 1024;

/// An opened blob. It stays readable when the blob is deleted meanwhile.
#[derive(Debug, Clone)]
pub struct BlobFile {
    file: Arc<File>,
    path: PathBuf,
    size_bytes: u64,
}

impl BlobFile {
    pub(crate) fn new(file: File, path: PathBuf, size_bytes: u64) -> Self {
        Self { file: Arc::new(file), path, size_bytes }
    }

    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// The file itself, for readers that need one. It must not be written.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The whole blob in memory: only for what is known to be small.
    ///
    /// # Errors
    /// When the blob is larger than `limit_bytes`, or the disk fails.
    pub async fn read_all(&self, limit_bytes: u64) -> io::Result<Bytes> {
        if self.size_bytes > limit_bytes {
            return Err(io::Error::other(format!(
                "the blob has {} bytes, more than the {limit_bytes} allowed here",
                self.size_bytes
            )));
        }
        self.read(0..self.size_bytes).await
    }

    /// The bytes of `range`, clamped to the blob, in one piece: only for short ranges.
    pub async fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
        let end = range.end.min(self.size_bytes);
        let (file, start) = (self.file.clone(), range.start.min(end));
        tokio::task::spawn_blocking(move || read_at(&file, start, end - start))
            .await
            .map_err(io::Error::other)?
    }

    /// The bytes of `range`, clamped to the blob, read ahead by one piece.
    pub fn stream(&self, range: Range<u64>) -> BlobStream {
        let end = range.end.min(self.size_bytes);
        let mut stream =
            BlobStream { file: self.file.clone(), next: range.start.min(end), end, reading: None };
        stream.read_ahead();
        stream
    }
}

/// A blob's bytes in pieces, each read on a blocking thread while the one before is being sent.
#[derive(Debug)]
pub struct BlobStream {
    file: Arc<File>,
    next: u64,
    end: u64,
    reading: Option<JoinHandle<io::Result<Bytes>>>,
}

impl BlobStream {
    fn read_ahead(&mut self) {
        let count = READ_BYTES.min(self.end - self.next);
        if count > 0 {
            let (file, offset) = (self.file.clone(), self.next);
            self.next += count;
            self.reading = Some(tokio::task::spawn_blocking(move || read_at(&file, offset, count)));
        }
    }
}

impl Stream for BlobStream {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(reading) = self.reading.as_mut() else { return Poll::Ready(None) };
        let piece = ready!(Pin::new(reading).poll(context));
        self.reading = None;
        match piece {
            Ok(Ok(bytes)) => {
                self.read_ahead();
                Poll::Ready(Some(Ok(bytes)))
            }
            Ok(Err(error)) => Poll::Ready(Some(Err(error))),
            Err(join) => Poll::Ready(Some(Err(io::Error::other(join)))),
        }
    }
}

fn read_at(file: &File, offset: u64, count: u64) -> io::Result<Bytes> {
    let mut buffer = vec![0; usize::try_from(count).map_err(io::Error::other)?];
    file.read_exact_at(&mut buffer, offset)?;
    Ok(buffer.into())
}
