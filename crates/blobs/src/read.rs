use std::fs::File;
use std::io::{self, Seek, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt, TryStreamExt};
use sluice_model::Digest;
use tokio::task::JoinHandle;

use crate::bucket::Bucket;

/// How much is read in one go: enough to make the hop to a blocking thread cheap.
const READ_BYTES: u64 = 512 * 1024;

/// An opened blob. On the disk it stays readable when the blob is deleted meanwhile.
#[derive(Clone)]
pub struct BlobFile {
    source: Source,
    size_bytes: u64,
}

#[derive(Clone)]
enum Source {
    Disk { file: Arc<File>, path: PathBuf },
    Bucket { bucket: Bucket, digest: Digest, scratch: PathBuf },
}

impl BlobFile {
    pub(crate) fn new(file: File, path: PathBuf, size_bytes: u64) -> Self {
        Self { source: Source::Disk { file: Arc::new(file), path }, size_bytes }
    }

    /// `scratch`: where a copy may be written.
    pub(crate) fn away(bucket: Bucket, digest: Digest, scratch: PathBuf, size_bytes: u64) -> Self {
        Self { source: Source::Bucket { bucket, digest, scratch }, size_bytes }
    }

    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// A file with the blob's bytes, to be read from its beginning: the blob's own, or a copy that goes with its handle.
    pub async fn open(&self) -> io::Result<File> {
        let (bucket, digest, scratch) = match &self.source {
            Source::Disk { path, .. } => return File::open(path),
            Source::Bucket { bucket, digest, scratch } => (bucket, digest, scratch),
        };
        let mut copy = File::options().read(true).write(true).create_new(true).open(scratch)?;
        // Without a name, it is gone when its last handle is.
        std::fs::remove_file(scratch)?;
        let mut pieces = bucket.get(digest, 0..self.size_bytes);
        while let Some(piece) = pieces.next().await.transpose()? {
            copy = tokio::task::spawn_blocking(move || copy.write_all(&piece).map(|()| copy))
                .await
                .map_err(io::Error::other)??;
        }
        copy.rewind()?;
        Ok(copy)
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
        let start = range.start.min(end);
        match &self.source {
            Source::Disk { file, .. } => {
                let file = file.clone();
                tokio::task::spawn_blocking(move || read_at(&file, start, end - start))
                    .await
                    .map_err(io::Error::other)?
            }
            Source::Bucket { .. } if start == end => Ok(Bytes::new()),
            Source::Bucket { bucket, digest, .. } => {
                let pieces: Vec<Bytes> = bucket.get(digest, start..end).try_collect().await?;
                let bytes = Bytes::from(pieces.concat());
                match bytes.len() as u64 == end - start {
                    true => Ok(bytes),
                    false => Err(io::ErrorKind::UnexpectedEof.into()),
                }
            }
        }
    }

    /// The bytes of `range`, clamped to the blob, read ahead by one piece.
    pub fn stream(&self, range: Range<u64>) -> BlobStream {
        let end = range.end.min(self.size_bytes);
        let next = range.start.min(end);
        let mut pieces = match &self.source {
            Source::Disk { file, .. } => Pieces::Disk { file: file.clone(), next, end, reading: None },
            Source::Bucket { .. } if next == end => Pieces::Bucket(futures_util::stream::empty().boxed()),
            Source::Bucket { bucket, digest, .. } => Pieces::Bucket(bucket.get(digest, next..end)),
        };
        pieces.read_ahead();
        BlobStream(pieces)
    }
}

/// A blob's bytes in pieces.
pub struct BlobStream(Pieces);

enum Pieces {
    /// Each is read on a blocking thread while the one before is being sent.
    Disk {
        file: Arc<File>,
        next: u64,
        end: u64,
        reading: Option<JoinHandle<io::Result<Bytes>>>,
    },
    Bucket(BoxStream<'static, io::Result<Bytes>>),
}

impl Pieces {
    fn read_ahead(&mut self) {
        let Self::Disk { file, next, end, reading } = self else { return };
        let count = READ_BYTES.min(*end - *next);
        if count > 0 {
            let (file, offset) = (file.clone(), *next);
            *next += count;
            *reading = Some(tokio::task::spawn_blocking(move || read_at(&file, offset, count)));
        }
    }
}

impl Stream for BlobStream {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let reading = match &mut self.0 {
            Pieces::Bucket(pieces) => return pieces.poll_next_unpin(context),
            Pieces::Disk { reading, .. } => reading,
        };
        let Some(under_way) = reading.as_mut() else { return Poll::Ready(None) };
        let piece = ready!(Pin::new(under_way).poll(context));
        *reading = None;
        match piece {
            Ok(Ok(bytes)) => {
                self.0.read_ahead();
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
