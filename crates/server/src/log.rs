use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use sluice_model::{InstanceId, RunId, Timestamp};
use sluice_wire::{JobEvent, Stream, TestCase};
use tokio::io::AsyncWriteExt;
use tokio::sync::watch;

/// A longer line is cut into several, so that one line never fills a page or the memory.
const MAX_LINE_BYTES: usize = 64 << 10;

/// The logs of jobs, as files: the text as it was printed (masked already), an index of its lines, and the steps.
///
/// A log belongs to one attempt of one instance and is written by nobody else, so a log that was cut off by a kill
/// is read as far as its index goes, and never written again.
#[derive(Clone)]
pub(crate) struct Logs {
    inner: Arc<Inner>,
}

struct Inner {
    folder: PathBuf,
    /// How many lines each log has that is being written.
    live: Mutex<HashMap<LogKey, watch::Sender<u64>>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct LogKey {
    pub(crate) run: RunId,
    pub(crate) instance: InstanceId,
    pub(crate) attempt: u32,
}

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) step: u32,
    pub(crate) stream: Stream,
    pub(crate) at: Timestamp,
    /// Without its end.
    pub(crate) text: String,
}

/// Something that a runner said beside output, and how many lines were there before it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Mark {
    pub(crate) lines: u64,
    pub(crate) event: JobEvent,
}

impl Logs {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { inner: Arc::new(Inner { folder, live: Mutex::new(HashMap::new()) }) }
    }

    pub(crate) fn create(&self, key: LogKey) -> io::Result<LogWriter> {
        std::fs::create_dir_all(self.path(&key, "log").parent().unwrap_or(&self.inner.folder))?;
        let open = |extension| {
            let path = self.path(&key, extension);
            OpenOptions::new().create(true).write(true).truncate(true).open(path).map(BufWriter::new)
        };
        let (text, index, marks) = (open("log")?, open("lines")?, open("steps")?);
        let (count, _) = watch::channel(0);
        self.live().insert(key.clone(), count.clone());
        Ok(LogWriter { logs: self.clone(), key, text, index, marks, offset: 0, lines: 0, count })
    }

    /// Follows a log that is being written; none where it is complete, or was never begun.
    pub(crate) fn follow(&self, key: &LogKey) -> Option<watch::Receiver<u64>> {
        self.live().get(key).map(watch::Sender::subscribe)
    }

    /// How many whole lines the log has on disk; 0 where there is no log.
    pub(crate) fn count(&self, key: &LogKey) -> u64 {
        let length = std::fs::metadata(self.path(key, "lines")).map_or(0, |data| data.len());
        length / Entry::BYTES as u64
    }

    /// At most `limit` lines from a number (counted from 1) on.
    pub(crate) fn lines(&self, key: &LogKey, from: u64, limit: usize) -> io::Result<Vec<Line>> {
        let first = from.max(1) - 1;
        let available = self.count(key).saturating_sub(first);
        let wanted = usize::try_from(available).unwrap_or(usize::MAX).min(limit);
        if wanted == 0 {
            return Ok(Vec::new());
        }
        let mut index = File::open(self.path(key, "lines"))?;
        index.seek(SeekFrom::Start(first * Entry::BYTES as u64))?;
        let mut bytes = vec![0; wanted * Entry::BYTES];
        index.read_exact(&mut bytes)?;
        let entries: Vec<Entry> = bytes.chunks_exact(Entry::BYTES).map(Entry::read).collect();
        self.texts(key, &entries)
    }

    /// Writes the lines from a number on, as far as they are on disk. Gives the number of the next.
    pub(crate) async fn write_from(
        &self,
        key: &LogKey,
        from: u64,
        output: &mut (impl AsyncWriteExt + Unpin),
    ) -> io::Result<u64> {
        const CHUNK: usize = 2_000;
        let mut next = from.max(1);
        loop {
            let (logs, read_key) = (self.clone(), key.clone());
            let lines = tokio::task::spawn_blocking(move || logs.lines(&read_key, next, CHUNK))
                .await
                .map_err(io::Error::other)??;
            if lines.is_empty() {
                return Ok(next);
            }
            next += lines.len() as u64;
            let text: String = lines.iter().flat_map(|line| [line.text.as_str(), "\n"]).collect();
            output.write_all(text.as_bytes()).await?;
        }
    }

    fn texts(&self, key: &LogKey, entries: &[Entry]) -> io::Result<Vec<Line>> {
        let (Some(begin), Some(last)) = (entries.first(), entries.last()) else { return Ok(Vec::new()) };
        let mut text = File::open(self.path(key, "log"))?;
        text.seek(SeekFrom::Start(begin.offset))?;
        let mut bytes = Vec::new();
        text.take(last.offset + u64::from(last.length) - begin.offset).read_to_end(&mut bytes)?;
        let line = |entry: &Entry| {
            let start = (entry.offset - begin.offset) as usize;
            let end = (start + entry.length as usize).min(bytes.len());
            Line {
                step: entry.step,
                stream: entry.stream,
                at: entry.at,
                text: String::from_utf8_lossy(bytes.get(start..end).unwrap_or_default()).into_owned(),
            }
        };
        Ok(entries.iter().map(line).collect())
    }

    /// What the runner said beside output. A last line that a kill cut off is left out.
    pub(crate) fn marks(&self, key: &LogKey) -> Vec<Mark> {
        let text = std::fs::read_to_string(self.path(key, "steps")).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Keeps the tests that did not pass, beside the log.
    pub(crate) fn keep_failed_tests(&self, key: &LogKey, tests: &[TestCase]) -> io::Result<()> {
        if tests.is_empty() {
            return Ok(());
        }
        std::fs::write(self.path(key, "tests"), serde_json::to_vec(tests)?)
    }

    pub(crate) fn failed_tests(&self, key: &LogKey) -> Vec<TestCase> {
        let bytes = std::fs::read(self.path(key, "tests")).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    /// The file with the whole text.
    pub(crate) fn text_path(&self, key: &LogKey) -> PathBuf {
        self.path(key, "log")
    }

    fn path(&self, key: &LogKey, extension: &str) -> PathBuf {
        // A job's id is a stranger's text; only letters, digits, `-` and `_` stand in a file's name as they are.
        let mut name = String::new();
        for byte in key.instance.to_string().bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => name.push(byte as char),
                _ => name.push_str(&format!("%{byte:02x}")),
            }
        }
        name.truncate(180);
        self.inner.folder.join(key.run.to_string()).join(format!("{name}.{}.{extension}", key.attempt))
    }

    fn live(&self) -> std::sync::MutexGuard<'_, HashMap<LogKey, watch::Sender<u64>>> {
        self.inner.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One line in the index, of a fixed length so that a line is found without a search.
struct Entry {
    offset: u64,
    at: Timestamp,
    step: u32,
    length: u32,
    stream: Stream,
}

impl Entry {
    const BYTES: usize = 32;

    fn write(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(&self.offset.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.at.0.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.step.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.length.to_le_bytes());
        bytes[24] = match self.stream {
            Stream::Stdout => 0,
            Stream::Stderr => 1,
            Stream::Runner => 2,
        };
        bytes
    }

    fn read(bytes: &[u8]) -> Self {
        let eight = |at: usize| {
            let mut part = [0; 8];
            part.copy_from_slice(&bytes[at..at + 8]);
            part
        };
        let four = |at: usize| {
            let mut part = [0; 4];
            part.copy_from_slice(&bytes[at..at + 4]);
            part
        };
        Self {
            offset: u64::from_le_bytes(eight(0)),
            at: Timestamp(i64::from_le_bytes(eight(8))),
            step: u32::from_le_bytes(four(16)),
            length: u32::from_le_bytes(four(20)),
            stream: match bytes[24] {
                0 => Stream::Stdout,
                1 => Stream::Stderr,
                _ => Stream::Runner,
            },
        }
    }
}

/// Writes one log. Dropping it ends the log.
pub(crate) struct LogWriter {
    logs: Logs,
    key: LogKey,
    text: BufWriter<File>,
    index: BufWriter<File>,
    marks: BufWriter<File>,
    offset: u64,
    lines: u64,
    count: watch::Sender<u64>,
}

impl LogWriter {
    pub(crate) fn write(&mut self, event: &JobEvent) -> io::Result<()> {
        match event {
            JobEvent::Output { step, stream, text, at } => {
                let text = text.strip_suffix('\n').unwrap_or(text);
                text.split('\n').try_for_each(|line| self.line(*step, *stream, line, *at))
            }
            event => {
                let mark = Mark { lines: self.lines, event: event.clone() };
                serde_json::to_writer(&mut self.marks, &mark)?;
                self.marks.write_all(b"\n")
            }
        }
    }

    fn line(&mut self, step: u32, stream: Stream, line: &str, at: Timestamp) -> io::Result<()> {
        let mut rest = line.strip_suffix('\r').unwrap_or(line);
        loop {
            let mut end = rest.len().min(MAX_LINE_BYTES);
            while !rest.is_char_boundary(end) {
                end -= 1;
            }
            let (part, more) = rest.split_at(end);
            let entry = Entry { offset: self.offset, at, step, length: part.len() as u32, stream };
            self.text.write_all(part.as_bytes())?;
            self.text.write_all(b"\n")?;
            self.index.write_all(&entry.write())?;
            self.offset += part.len() as u64 + 1;
            self.lines += 1;
            rest = more;
            if rest.is_empty() {
                return Ok(());
            }
        }
    }

    /// Brings everything to the files and tells who follows. The text goes first: the index never points past it.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.text.flush()?;
        self.index.flush()?;
        self.marks.flush()?;
        self.count.send_replace(self.lines);
        Ok(())
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        if let Err(error) = self.flush() {
            tracing::error!(%error, run = %self.key.run, instance = %self.key.instance, "a log was not written to its end");
        }
        self.logs.live().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use sluice_model::JobId;

    use super::*;

    fn key(attempt: u32) -> LogKey {
        LogKey { run: RunId(1), instance: InstanceId::new(JobId::new("../up/x y"), 0), attempt }
    }

    fn output(text: &str) -> JobEvent {
        JobEvent::Output { step: 2, stream: Stream::Stderr, text: text.to_owned(), at: Timestamp(7) }
    }

    #[test]
    fn lines_are_found_by_number_and_the_text_is_as_printed() {
        let folder = tempfile::tempdir().unwrap();
        let logs = Logs::new(folder.path().join("logs"));
        let mut writer = logs.create(key(1)).unwrap();
        writer.write(&output("one\ntwo\r\n\nfour\n")).unwrap();
        writer.write(&output("fünf")).unwrap();
        assert!(logs.follow(&key(1)).is_some());
        drop(writer);
        assert!(logs.follow(&key(1)).is_none());
        assert_eq!(logs.count(&key(1)), 5);
        let texts = |from, limit| -> Vec<String> {
            logs.lines(&key(1), from, limit).unwrap().into_iter().map(|line| line.text).collect()
        };
        assert_eq!(texts(1, 100), ["one", "two", "", "four", "fünf"]);
        assert_eq!(texts(2, 2), ["two", ""]);
        assert_eq!(texts(6, 2), [] as [&str; 0]);
        assert_eq!(std::fs::read_to_string(logs.text_path(&key(1))).unwrap(), "one\ntwo\n\nfour\nfünf\n");
        let line = logs.lines(&key(1), 5, 1).unwrap().remove(0);
        assert_eq!((line.step, line.stream, line.at), (2, Stream::Stderr, Timestamp(7)));
        assert!(logs.text_path(&key(1)).starts_with(folder.path().join("logs/1")));
    }

    #[test]
    fn a_line_that_is_too_long_is_cut_between_characters() {
        let folder = tempfile::tempdir().unwrap();
        let logs = Logs::new(folder.path().to_owned());
        let mut writer = logs.create(key(1)).unwrap();
        writer.write(&output(&"ä".repeat(MAX_LINE_BYTES))).unwrap();
        drop(writer);
        let lines = logs.lines(&key(1), 1, 10).unwrap();
        assert_eq!(lines.iter().map(|line| line.text.len()).collect::<Vec<_>>(), [MAX_LINE_BYTES; 2]);
        assert!(lines.iter().all(|line| line.text.chars().all(|c| c == 'ä')));
    }

    #[test]
    fn what_a_kill_cut_off_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let logs = Logs::new(folder.path().to_owned());
        let mut writer = logs.create(key(1)).unwrap();
        let started = JobEvent::StepStarted { step: 0, name: "x".to_owned(), at: Timestamp(1) };
        writer.write(&started).unwrap();
        writer.write(&output("one\ntwo\n")).unwrap();
        drop(writer);
        for (extension, keep) in [("lines", Entry::BYTES as u64 + 3), ("steps", 5)] {
            let file = OpenOptions::new().write(true).open(logs.path(&key(1), extension)).unwrap();
            file.set_len(keep).unwrap();
        }
        assert_eq!(logs.lines(&key(1), 1, 10).unwrap().len(), 1);
        assert!(logs.marks(&key(1)).is_empty());
    }
}
