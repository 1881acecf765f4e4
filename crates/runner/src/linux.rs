//! What only Linux has: the process table.

/// The marker in the environment of every process of a job, by which a later runner finds what was left.
pub const OWNER_VARIABLE: &str = "SLUICE_RUNNER_OWNER";

/// The marker of a runner's processes.
pub fn marker(owner: &str, process: &str) -> String {
    format!("{owner}/{process}")
}

/// The user and group that this process runs as.
pub fn own_ids() -> (u32, u32) {
    (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw())
}

/// Takes a lock that this process holds for as long as the file is open; an error where another holds it.
pub fn try_lock(file: &std::fs::File) -> std::io::Result<()> {
    Ok(rustix::fs::flock(file, rustix::fs::FlockOperation::NonBlockingLockExclusive)?)
}

/// Takes the same lock, and waits for it.
pub fn lock(file: &std::fs::File) -> std::io::Result<()> {
    Ok(rustix::fs::flock(file, rustix::fs::FlockOperation::LockExclusive)?)
}

/// Kills every process whose environment says that it belongs to `owner`, and tells how many there were.
pub fn kill_left_behind(owner: &str) -> usize {
    let marker = format!("{OWNER_VARIABLE}={owner}");
    let own = std::process::id();
    let Ok(entries) = std::fs::read_dir("/proc") else { return 0 };
    let mut killed = 0;
    for pid in entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()) {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let is_marked = environment.split(|byte| *byte == 0).any(|pair| pair == marker.as_bytes());
        let target = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
        if let (true, true, Some(target)) = (is_marked, pid != own, target) {
            let sent = rustix::process::kill_process(target, rustix::process::Signal::KILL);
            killed += usize::from(sent.is_ok());
        }
    }
    killed
}
