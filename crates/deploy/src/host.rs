use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::image_folder::UnpackedImage;
use crate::ledger::Ledger;
use crate::process;
use crate::record::{InstanceId, InstanceRecord, ProcessMark};

/// Marks a process as an instance, so that one that was started a moment before the server died is found again.
pub const INSTANCE_VARIABLE: &str = "SLUICE_INSTANCE";
/// Marks all that a data folder has started.
pub const OWNER_VARIABLE: &str = "SLUICE_OWNER";

/// An instance's output is cut to its last half when it is longer.
const OUTPUT_BYTES: u64 = 8 * 1024 * 1024;

/// Instances as plain processes: each leads a session of its own, so that neither the server's end nor a terminal's
/// takes it along. Its output goes to a file that only this account reads; its variables are in its environment,
/// which only this account reads, and never in its arguments, which everybody does.
#[derive(Debug)]
pub struct Host {
    owner: String,
    /// How those ended that this process has started; nothing while they run.
    ends: Mutex<HashMap<InstanceId, watch::Receiver<Option<String>>>>,
}

impl Host {
    pub fn new(owner: &str) -> Self {
        Self { owner: owner.to_owned(), ends: Mutex::default() }
    }

    /// Starts the process of an instance whose record is written already.
    ///
    /// # Errors
    /// A sentence for a person.
    pub async fn start(
        &self,
        ledger: &Ledger,
        record: &InstanceRecord,
        image: &UnpackedImage,
        env: &[(String, String)],
    ) -> Result<ProcessMark, String> {
        let (program, workdir) = image.program()?;
        let folder = ledger.instance_folder(&record.id);
        let scratch = folder.join("tmp");
        fs::create_dir_all(&scratch).map_err(|error| format!("{}: {error}", scratch.display()))?;
        let output = open_output(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let both = output.try_clone().map_err(|error| error.to_string())?;
        let mut command = Command::new(&program);
        command
            .args(&image.process.argv[1..])
            .current_dir(workdir)
            .env_clear()
            .envs(image.process.env.iter().map(|(name, value)| (name, value)))
            .env("PATH", image.path_variable())
            .env("HOME", &scratch)
            .env("TMPDIR", &scratch)
            .envs(env.iter().map(|(name, value)| (name, value)))
            .env(INSTANCE_VARIABLE, record.id.as_str())
            .env(OWNER_VARIABLE, &self.owner)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(both);
        // SAFETY: between fork and exec only setsid is called, which is async-signal-safe and touches no memory.
        unsafe {
            command.pre_exec(|| {
                rustix::process::setsid()?;
                Ok(())
            });
        }
        let mut child = spawn(&mut tokio::process::Command::from(command))
            .await
            .map_err(|error| format!("{} of the image: {error}", image.process.argv[0]))?;
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
        let mark = pid.and_then(process::mark);
        let (tell, told) = watch::channel(None);
        self.ends.lock().unwrap_or_else(PoisonError::into_inner).insert(record.id.clone(), told);
        tokio::spawn(async move {
            let how = child.wait().await.map_or_else(|error| error.to_string(), how_it_ended);
            tell.send_replace(Some(how));
        });
        // One that is gone already has no mark: any that is not alive says the same.
        Ok(mark.unwrap_or(ProcessMark { pid: pid.unwrap_or(0), start_time: 0 }))
    }

    /// The instance's process, if it runs; also when it was started but not written down.
    pub fn find(&self, record: &InstanceRecord) -> Option<ProcessMark> {
        match record.process {
            Some(process) => process::is_alive(process).then_some(process),
            None => {
                let found = process::with_variable(INSTANCE_VARIABLE, record.id.as_str());
                // Its children carry the variable too; the eldest is the instance.
                found.into_iter().min_by_key(|process| (process.start_time, process.pid))
            }
        }
    }

    /// Of an instance that has no process any more. One that an earlier server started has left no word.
    pub async fn how_it_ended(&self, id: &InstanceId) -> String {
        let told = self.ends.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned();
        let how = async {
            // The process is gone a moment before its end has been told.
            let mut told = told?;
            told.wait_for(Option::is_some).await.ok()?.clone()
        };
        let how = tokio::time::timeout(Duration::from_secs(1), how).await.ok().flatten();
        how.unwrap_or_else(|| "ended".to_owned())
    }

    pub async fn stop(&self, record: &InstanceRecord) {
        let id = record.id.as_str();
        let find = || process::with_variable(INSTANCE_VARIABLE, id);
        process::stop_all(find, Duration::from_millis(record.stop_within_ms)).await;
        self.ends.lock().unwrap_or_else(PoisonError::into_inner).remove(&record.id);
    }

    /// Stops whatever this data folder ever started, written down or not.
    pub async fn stop_everything(&self, grace: Duration) {
        process::stop_all(|| process::with_variable(OWNER_VARIABLE, &self.owner), grace).await;
    }
}

/// Another process that was forked while this program was unpacked holds it open for writing until it starts its own, and
/// the kernel starts no program that is being written (`execve(2)`, ETXTBSY): a moment later it does.
async fn spawn(command: &mut tokio::process::Command) -> io::Result<tokio::process::Child> {
    for wait_ms in [5, 20, 100, 400] {
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => {
                tokio::time::sleep(Duration::from_millis(wait_ms)).await;
            }
            started => return started,
        }
    }
    command.spawn()
}

fn how_it_ended(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

/// Appending, so that the file can be cut while the process writes to it.
fn open_output(folder: &Path) -> io::Result<fs::File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(folder.join("output.log"))
}

/// The last lines of an instance's output.
pub fn last_lines(folder: &Path, count: usize) -> Vec<String> {
    use std::io::{Read, Seek, SeekFrom};
    let read = || -> io::Result<Vec<u8>> {
        let mut file = fs::File::open(folder.join("output.log"))?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(16 * 1024)))?;
        let mut tail = Vec::new();
        file.take(16 * 1024).read_to_end(&mut tail)?;
        Ok(tail)
    };
    lines(&read().unwrap_or_default(), count)
}

pub fn lines(output: &[u8], count: usize) -> Vec<String> {
    let text = String::from_utf8_lossy(output);
    let mut last: Vec<String> =
        text.lines().rev().take(count).map(|line| line.chars().take(500).collect()).collect();
    last.reverse();
    last
}

/// Keeps the end of an output that grew too long in `output.old.log`, and begins it anew.
///
/// # Errors
/// What the system says.
pub fn cap_output(folder: &Path) -> io::Result<()> {
    use std::io::{Seek, SeekFrom};
    let path = folder.join("output.log");
    let length = match fs::metadata(&path) {
        Ok(found) => found.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if length <= OUTPUT_BYTES {
        return Ok(());
    }
    let mut output = OpenOptions::new().read(true).write(true).open(&path)?;
    output.seek(SeekFrom::Start(length - OUTPUT_BYTES / 2))?;
    let mut old = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(folder.join("output.old.log"))?;
    io::copy(&mut io::Read::take(&mut output, OUTPUT_BYTES / 2), &mut old)?;
    output.set_len(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_output_is_cut_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("output.log");
        cap_output(folder.path()).unwrap();
        fs::write(&path, vec![b'a'; OUTPUT_BYTES as usize + 1]).unwrap();
        cap_output(folder.path()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), 0);
        assert_eq!(fs::metadata(folder.path().join("output.old.log")).unwrap().len(), OUTPUT_BYTES / 2);
    }

    #[test]
    fn the_last_lines_are_the_last() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(last_lines(folder.path(), 2), Vec::<String>::new());
        fs::write(folder.path().join("output.log"), "one\ntwo\nthree\n").unwrap();
        assert_eq!(last_lines(folder.path(), 2), ["two", "three"]);
    }
}
