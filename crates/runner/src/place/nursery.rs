use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use tokio::net::unix::pipe;
use tokio::process::{Child, Command};

use crate::linux::OWNER_VARIABLE;

/// Step agents for jobs on the host, all forked from one that waits: that is several times as fast as a program's start.
/// Each ends when its input does, and all when this process does.
pub struct Nursery {
    agent: PathBuf,
    /// The marker of this runner's processes.
    owner: String,
    parent: Mutex<Option<Parent>>,
}

struct Parent {
    control: UnixStream,
    _process: Child,
}

impl Nursery {
    pub fn new(agent: PathBuf, owner: String) -> Self {
        Self { agent, owner, parent: Mutex::default() }
    }

    /// Starts what agents come from, so that the first job need not wait for it.
    pub fn warm(&self) -> io::Result<()> {
        let mut parent = self.parent.lock().unwrap_or_else(PoisonError::into_inner);
        if parent.is_none() {
            *parent = Some(self.start()?);
        }
        Ok(())
    }

    /// A new agent: what it says, and what it hears.
    pub fn agent(&self) -> io::Result<(pipe::Receiver, pipe::Sender)> {
        let (hears, its_input) = pipe::pipe()?;
        let (its_output, says) = pipe::pipe()?;
        let (input, output) = (its_input.into_blocking_fd()?, its_output.into_blocking_fd()?);
        let mut parent = self.parent.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = parent.as_ref().is_some_and(|parent| parent.send(&input, &output).is_ok());
        if !sent {
            // There was none yet, or somebody killed it.
            let started = parent.insert(self.start()?);
            started.send(&input, &output)?;
        }
        Ok((says, hears))
    }

    fn start(&self) -> io::Result<Parent> {
        let (control, its_control) = UnixStream::pair()?;
        let mut command = Command::new(&self.agent);
        command
            .arg("nursery")
            .env_clear()
            .env(OWNER_VARIABLE, &self.owner)
            .current_dir("/")
            .stdin(Stdio::from(OwnedFd::from(its_control)))
            .stdout(Stdio::null())
            // A terminal's Ctrl-C is for the runner, which cancels in its own order.
            .process_group(0)
            .kill_on_drop(true);
        loop {
            match command.spawn() {
                // The program has just been written, and a process that was forked meanwhile has not yet closed it.
                Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => {
                    std::thread::sleep(std::time::Duration::from_micros(200));
                }
                spawned => return Ok(Parent { control, _process: spawned? }),
            }
        }
    }
}

impl Parent {
    fn send(&self, input: &OwnedFd, output: &OwnedFd) -> io::Result<()> {
        let descriptors = [input.as_fd(), output.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
        sendmsg(&self.control, &[IoSlice::new(&[0])], &mut ancillary, SendFlags::NOSIGNAL)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{Launch, ProcessEvent, Session, SessionError};

    fn nursery() -> Nursery {
        Nursery::new(concat!(env!("OUT_DIR"), "/step-agent").into(), "test/nursery".to_owned())
    }

    async fn output(session: &Session, script: &str) -> String {
        let argv = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
        let launch = Launch { argv, directory: "/".to_owned(), ..Default::default() };
        let mut process = session.start(launch).await.unwrap();
        let mut text = String::new();
        loop {
            match process.next().await.unwrap() {
                ProcessEvent::Output { bytes, .. } => text.push_str(&String::from_utf8_lossy(&bytes)),
                ProcessEvent::Exited { .. } => return text,
                ProcessEvent::NotStarted(reason) => panic!("{reason}"),
            }
        }
    }

    #[tokio::test]
    async fn every_agent_has_its_own_environment_directory_and_end() {
        let nursery = nursery();
        let mut sessions = Vec::new();
        for name in ["one", "two"] {
            let (says, hears) = nursery.agent().unwrap();
            let session = Session::new(says, hears);
            session.be(vec![("NAME".to_owned(), name.to_owned())], "/usr").await.unwrap();
            sessions.push(session);
        }
        // Nothing of the nursery's own environment, or of the other's.
        let script = "echo $NAME-$SLUICE_RUNNER_OWNER; readlink /proc/$PPID/cwd";
        assert_eq!(output(&sessions[0], script).await, "one-\n/usr\n");
        assert_eq!(output(&sessions[1], script).await, "two-\n/usr\n");
        sessions[0].finish().await.unwrap();
        // Its output is nobody else's too: that it has closed it is seen.
        until("its output is closed", async || {
            let launch = Launch { argv: vec!["/bin/true".to_owned()], ..Default::default() };
            matches!(sessions[0].start(launch).await, Err(SessionError::Gone))
        })
        .await;
        assert_eq!(output(&sessions[1], "echo $NAME").await, "two\n");
        let parent = output(&sessions[1], "cat /proc/$PPID/stat").await;
        drop(sessions);
        let agent: i32 = parent.split(' ').next().unwrap().parse().unwrap();
        until("the agent has ended with its session", async || !is_alive(agent)).await;
    }

    async fn until(what: &str, condition: impl AsyncFn() -> bool) {
        let begun = std::time::Instant::now();
        while !condition().await {
            assert!(begun.elapsed() < std::time::Duration::from_secs(30), "it never happened that {what}");
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    }

    fn is_alive(pid: i32) -> bool {
        std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
    }

    #[tokio::test]
    async fn a_nursery_that_was_killed_is_started_again() {
        let nursery = nursery();
        nursery.warm().unwrap();
        let pid = nursery.parent.lock().unwrap().as_ref().unwrap()._process.id().unwrap();
        let pid = rustix::process::Pid::from_raw(pid as i32).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        until("it is dead", async || !is_alive(pid.as_raw_nonzero().get())).await;
        let (says, hears) = nursery.agent().unwrap();
        let session = Session::new(says, hears);
        session.be(Vec::new(), "/").await.unwrap();
        assert_eq!(output(&session, "echo here").await, "here\n");
    }
}
