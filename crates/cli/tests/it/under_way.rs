//! A call of `sluice` that goes on beside the test, and ends with it at the latest.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use crate::repository::{Said, send};

/// Longer than any call takes on a busy machine. What goes on for longer is killed, so that its test fails with what
/// was said, rather than never to end.
const WITHIN: Duration = Duration::from_secs(180);

/// Kills a process that outlives it.
struct Deadline {
    _ended: Sender<()>,
}

impl Deadline {
    fn of(child: &Child) -> Self {
        let (ended, is_over) = channel();
        let process = rustix::process::Pid::from_child(child);
        std::thread::spawn(move || {
            if is_over.recv_timeout(WITHIN) == Err(RecvTimeoutError::Timeout) {
                eprintln!("a call did not end within {WITHIN:?} and is killed");
                let _ = rustix::process::kill_process(process, rustix::process::Signal::KILL);
            }
        });
        Self { _ended: ended }
    }
}

/// What a call says that ends by itself.
pub fn output(command: &mut Command) -> Output {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let _deadline = Deadline::of(&child);
    child.wait_with_output().unwrap()
}

/// A call under way, and what it has said so far.
pub struct UnderWay {
    child: Child,
    lines: BufReader<ChildStdout>,
    said: String,
    _deadline: Deadline,
}

impl UnderWay {
    pub fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { _deadline: Deadline::of(&child), child, lines, said: String::new() }
    }

    /// Reads on until it has said this; gives the line that says it.
    #[track_caller]
    pub fn until(&mut self, words: &str) -> &str {
        while !self.said.contains(words) {
            let read = self.lines.read_line(&mut self.said).unwrap();
            assert!(read > 0, "it ended before it said `{words}`:\n{}", self.said);
        }
        self.said.lines().find(|line| line.contains(words)).unwrap_or_default()
    }

    pub fn send(&self, signal: &str) {
        send(&self.child, signal);
    }

    /// All that it said, and how it ended.
    pub fn end(mut self) -> Said {
        while self.lines.read_line(&mut self.said).unwrap() > 0 {}
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        Said { code, stdout: self.said, stderr: String::new() }
    }

    /// As a power cut leaves it.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}
