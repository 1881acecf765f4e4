use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};

use crate::Answers;
use crate::files;
use crate::linux::{self, Identity, POLLIN, PollFd, SIGKILL};
use crate::protocol::{Answer, COLLECT_LIMIT, PIECE_LIMIT};

/// What to start, where, and which files to send when it has ended.
pub struct Launch {
    pub argv: Vec<Vec<u8>>,
    pub env: Vec<(Vec<u8>, Vec<u8>)>,
    pub directory: Vec<u8>,
    pub collect: Vec<Vec<u8>>,
}

/// The processes of steps that run.
pub struct Steps {
    answers: Answers,
    running: Arc<(Mutex<Running>, Condvar)>,
}

#[derive(Default)]
struct Running {
    by_pid: HashMap<i32, (u32, UnixStream)>,
    by_step: HashMap<u32, i32>,
}

impl Steps {
    pub fn new(answers: Answers) -> Self {
        let running = Arc::new((Mutex::new(Running::default()), Condvar::new()));
        let shared = running.clone();
        std::thread::spawn(move || reap_children(&shared));
        Self { answers, running }
    }

    /// Starts a process, or says why it could not.
    pub fn start(&self, step: u32, launch: Launch, identity: Option<Identity>) {
        if let Err(reason) = self.try_start(step, launch, identity) {
            self.answers.send(&Answer::NotStarted { step, reason: reason.into_bytes() });
        }
    }

    fn try_start(&self, step: u32, launch: Launch, identity: Option<Identity>) -> Result<(), String> {
        let Launch { argv, env, directory, collect } = launch;
        let (program, arguments) = argv.split_first().ok_or("there is no program to run")?;
        let shown = String::from_utf8_lossy(program).into_owned();
        let directory = OsStr::from_bytes(&directory);
        if !std::path::Path::new(directory).is_dir() {
            return Err(format!("the working directory {} does not exist", directory.to_string_lossy()));
        }
        let mut command = Command::new(OsStr::from_bytes(program));
        command
            .args(arguments.iter().map(|argument| OsStr::from_bytes(argument)))
            .envs(env.iter().map(|(name, value)| (OsStr::from_bytes(name), OsStr::from_bytes(value))))
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // SAFETY: `become_step` makes system calls only.
        unsafe { command.pre_exec(move || linux::become_step(identity.as_ref())) };
        let (ended, wake) = UnixStream::pair().map_err(|error| error.to_string())?;
        let mut child = {
            // The reaper takes this lock before it reaps, so the process is known when its end is.
            let mut running = self.running.0.lock().map_err(|_| "the agent is broken".to_owned())?;
            let child = command.spawn().map_err(|error| match error.kind() {
                ErrorKind::NotFound => format!("there is no program `{shown}` here"),
                ErrorKind::PermissionDenied => format!("the program `{shown}` may not be run"),
                _ => format!("`{shown}`: {error}"),
            })?;
            let pid = child.id() as i32;
            running.by_pid.insert(pid, (step, wake));
            running.by_step.insert(step, pid);
            child
        };
        self.running.1.notify_one();
        let answers = self.answers.clone();
        std::thread::spawn(move || forward(step, &mut child, ended, &collect, &answers));
        Ok(())
    }

    /// Sends a signal to a step's group; SIGKILL goes to its whole session. A step that has ended is left alone.
    pub fn signal(&self, step: u32, signal: i32) {
        let Ok(running) = self.running.0.lock() else { return };
        match running.by_step.get(&step) {
            Some(pid) if signal == SIGKILL => linux::kill_session(*pid),
            Some(pid) => linux::signal(-pid, signal),
            None => (),
        }
    }
}

/// Reaps every child, those of steps and the orphans that came to the agent, for as long as the agent lives.
fn reap_children(running: &(Mutex<Running>, Condvar)) {
    loop {
        let Some(pid) = linux::peek_ended() else {
            // No child, so no orphan either: wait until a step starts.
            let Ok(guard) = running.0.lock() else { return };
            drop(running.1.wait_while(guard, |running| running.by_pid.is_empty()));
            continue;
        };
        let Ok(mut guard) = running.0.lock() else { return };
        let Some((code, signal)) = linux::reap(pid) else { continue };
        if let Some((step, mut wake)) = guard.by_pid.remove(&pid) {
            guard.by_step.remove(&step);
            let mut status = [0; 8];
            status[..4].copy_from_slice(&code.to_le_bytes());
            status[4..].copy_from_slice(&signal.to_le_bytes());
            let _ = wake.write_all(&status);
        }
    }
}

/// Hands on what a step writes, then its end; then what processes that it left behind go on to write.
///
/// All that is in the pipes when the step ends is handed on before its end is told.
fn forward(step: u32, child: &mut Child, mut ended: UnixStream, collect: &[Vec<u8>], answers: &Answers) {
    let (Some(mut stdout), Some(mut stderr)) = (child.stdout.take(), child.stderr.take()) else { return };
    linux::set_nonblocking(stdout.as_raw_fd());
    linux::set_nonblocking(stderr.as_raw_fd());
    let entry = |fd| PollFd { fd, events: POLLIN, revents: 0 };
    let mut fds = [entry(stdout.as_raw_fd()), entry(stderr.as_raw_fd()), entry(ended.as_raw_fd())];
    let mut piece = Piece::new(step);
    while fds.iter().any(|entry| entry.fd >= 0) {
        linux::wait_readable(&mut fds);
        let has_ended = fds[2].revents != 0;
        for (index, source) in [(0, &mut stdout as &mut dyn Read), (1, &mut stderr)] {
            if fds[index].fd >= 0 && (fds[index].revents != 0 || has_ended) {
                let is_open = piece.forward(source, index == 1, has_ended, answers);
                fds[index].fd = if is_open { fds[index].fd } else { -1 };
            }
        }
        if has_ended {
            let mut status = [0; 8];
            let (mut code, mut signal) = ([0; 4], [0; 4]);
            if ended.read_exact(&mut status).is_err() {
                return;
            }
            code.copy_from_slice(&status[..4]);
            signal.copy_from_slice(&status[4..]);
            let (code, signal) = (i32::from_le_bytes(code), i32::from_le_bytes(signal));
            let collected = collect.iter().map(|path| collected(path)).collect();
            answers.send(&Answer::Exited { step, code, signal, collected });
            fds[2].fd = -1;
        }
    }
}

/// The content of a file, and why there is none; a file that is not there is empty.
fn collected(path: &[u8]) -> (Vec<u8>, Vec<u8>) {
    match files::read(path, COLLECT_LIMIT) {
        Ok(content) => (content.unwrap_or_default(), Vec::new()),
        Err(problem) => (Vec::new(), problem.into_bytes()),
    }
}

/// A frame of output that is filled over and over, without a copy.
struct Piece {
    frame: Vec<u8>,
}

/// Length, kind, step, stream and the length of the bytes come before the bytes of an `Answer::Output`.
const OUTPUT_HEADER: usize = 4 + 1 + 4 + 1 + 4;

impl Piece {
    fn new(step: u32) -> Self {
        let mut frame = Answer::Output { step, stderr: false, bytes: Vec::new() }.encode();
        frame.resize(OUTPUT_HEADER + PIECE_LIMIT, 0);
        Self { frame }
    }

    /// Reads once, or until there is nothing more (`drain`). False when the pipe is closed.
    fn forward(&mut self, source: &mut dyn Read, stderr: bool, drain: bool, answers: &Answers) -> bool {
        loop {
            match source.read(&mut self.frame[OUTPUT_HEADER..]) {
                Ok(0) => return false,
                Ok(count) => {
                    self.frame[..4].copy_from_slice(&((OUTPUT_HEADER - 4 + count) as u32).to_le_bytes());
                    self.frame[9] = u8::from(stderr);
                    self.frame[10..OUTPUT_HEADER].copy_from_slice(&(count as u32).to_le_bytes());
                    answers.send_encoded(&self.frame[..OUTPUT_HEADER + count]);
                    if !drain {
                        return true;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => (),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(_) => return false,
            }
        }
    }
}
