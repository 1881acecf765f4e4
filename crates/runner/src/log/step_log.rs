use std::borrow::Cow;

use sluice_wire::Stream;

use super::JobLog;
use super::job_log::character_boundary;

/// A line that grows longer than this is shown in pieces.
const LINE_LIMIT: usize = 64 * 1024;
/// Lines are gathered up to this size, so that many short ones cost one event.
const GATHER_LIMIT: usize = 32 * 1024;

/// What to do with one line that a step wrote.
pub enum LineVerdict {
    Show,
    /// Another text, without its newline.
    ShowAs(String),
    Hide,
}

/// Hears the lines of a step before they are shown.
pub trait Judge: Send {
    /// Whether it has to see every line, and not only those that begin like a command (`::` or `##[` after blanks).
    fn judges_every_line(&self) -> bool {
        false
    }

    /// What to do with a whole line, which comes without its newline.
    fn judge(&mut self, line: &str) -> LineVerdict;
}

/// Shows every line as it is.
pub struct ShowAll;

impl Judge for ShowAll {
    fn judge(&mut self, _line: &str) -> LineVerdict {
        LineVerdict::Show
    }
}

/// Cuts what one step writes into lines, masks them and sends them on.
pub struct StepLog {
    log: JobLog,
    step: u32,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    gathered: Vec<u8>,
    gathered_stream: Stream,
}

impl StepLog {
    pub(super) fn new(log: JobLog, step: u32) -> Self {
        Self {
            log,
            step,
            stdout: Vec::new(),
            stderr: Vec::new(),
            gathered: Vec::new(),
            gathered_stream: Stream::Stdout,
        }
    }

    /// Takes a piece of output. `judge` hears of the whole lines in it.
    pub async fn write(&mut self, stderr: bool, bytes: &[u8], judge: &mut dyn Judge) {
        let Some(newline) = memchr::memrchr(b'\n', bytes) else {
            self.carry(stderr).extend_from_slice(bytes);
            return self.cut_long_line(stderr).await;
        };
        let (whole, rest) = bytes.split_at(newline + 1);
        let carried = std::mem::take(self.carry(stderr));
        let whole =
            if carried.is_empty() { Cow::Borrowed(whole) } else { Cow::Owned([&carried, whole].concat()) };
        self.lines(stderr, &whole, judge).await;
        self.carry(stderr).extend_from_slice(rest);
        self.cut_long_line(stderr).await
    }

    /// Sends what is left: the last line of a step need not end with a newline.
    pub async fn finish(&mut self, judge: &mut dyn Judge) {
        for stderr in [false, true] {
            let rest = std::mem::take(self.carry(stderr));
            if !rest.is_empty() {
                self.lines(stderr, &rest, judge).await;
            }
        }
        self.flush().await;
    }

    /// Sends the lines that are gathered.
    pub async fn flush(&mut self) {
        if !self.gathered.is_empty() {
            let masker = self.log.masker();
            self.log.output(self.step, self.gathered_stream, &masker.mask(&self.gathered)).await;
            self.gathered.clear();
        }
    }

    fn carry(&mut self, stderr: bool) -> &mut Vec<u8> {
        if stderr { &mut self.stderr } else { &mut self.stdout }
    }

    async fn lines(&mut self, stderr: bool, lines: &[u8], judge: &mut dyn Judge) {
        let mut shown_from = 0;
        let mut at = 0;
        let mut judges_all = judge.judges_every_line();
        while at < lines.len() {
            let end = memchr::memchr(b'\n', &lines[at..]).map_or(lines.len(), |newline| at + newline + 1);
            let is_command = looks_like_command(&lines[at..end]);
            if is_command {
                // What came before is shown before the command has its effect, and masked as of then.
                self.gather(stderr, &lines[shown_from..at]).await;
                self.flush().await;
                shown_from = at;
            }
            if is_command || judges_all {
                let line = String::from_utf8_lossy(&lines[at..end]);
                let verdict = judge.judge(line.trim_end_matches(['\n', '\r']));
                if !matches!(verdict, LineVerdict::Show) {
                    self.gather(stderr, &lines[shown_from..at]).await;
                    shown_from = end;
                }
                if let LineVerdict::ShowAs(text) = verdict {
                    self.gather(stderr, format!("{text}\n").as_bytes()).await;
                }
                judges_all = judge.judges_every_line();
            }
            at = end;
        }
        self.gather(stderr, &lines[shown_from..]).await;
    }

    async fn gather(&mut self, stderr: bool, lines: &[u8]) {
        let stream = if stderr { Stream::Stderr } else { Stream::Stdout };
        if stream != self.gathered_stream {
            self.flush().await;
            self.gathered_stream = stream;
        }
        self.gathered.extend_from_slice(lines);
        if self.gathered.len() >= GATHER_LIMIT {
            self.flush().await;
        }
    }

    /// Memory stays flat even when a step never writes a newline.
    async fn cut_long_line(&mut self, stderr: bool) {
        if self.carry(stderr).len() <= LINE_LIMIT {
            return;
        }
        let carried = std::mem::take(self.carry(stderr));
        let safe = self.log.masker().safe_length(&carried);
        let safe = character_boundary(&carried, safe);
        self.gather(stderr, &carried[..safe]).await;
        self.flush().await;
        self.carry(stderr).extend_from_slice(&carried[safe..]);
    }
}

fn looks_like_command(line: &[u8]) -> bool {
    let start = line.trim_ascii_start();
    start.starts_with(b"::") || memchr::memmem::find(line, b"##[").is_some()
}
