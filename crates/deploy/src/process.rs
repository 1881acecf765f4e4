//! What only Linux tells of processes: /proc.

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::record::ProcessMark;

const POLL: Duration = Duration::from_millis(10);

/// The mark of a process that runs; none when there is none, or it is a zombie.
pub fn mark(pid: i32) -> Option<ProcessMark> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command's name may hold anything; it ends with the last parenthesis. State is field 3, start time field 22.
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split_ascii_whitespace().collect();
    let start_time = fields.get(19)?.parse().ok()?;
    (!matches!(*fields.first()?, "Z" | "X")).then_some(ProcessMark { pid, start_time })
}

pub fn is_alive(process: ProcessMark) -> bool {
    mark(process.pid) == Some(process)
}

/// All processes of this account that were started with `name=value` in their environment, or whose ancestors were.
pub fn with_variable(name: &str, value: &str) -> Vec<ProcessMark> {
    let entry = format!("{name}={value}");
    let Ok(folder) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = folder.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    let carries = |pid: &i32| {
        fs::read(format!("/proc/{pid}/environ"))
            .is_ok_and(|environ| environ.split(|byte| *byte == 0).any(|line| line == entry.as_bytes()))
    };
    pids.filter(carries).filter_map(mark).collect()
}

/// SIGTERM to every process that `find` gives and to its group, SIGKILL after `grace`; returns when there is none.
pub async fn stop_all(find: impl Fn() -> Vec<ProcessMark>, grace: Duration) {
    let started = Instant::now();
    let mut signal = Signal::TERM;
    let mut told: Vec<ProcessMark> = Vec::new();
    loop {
        let found = find();
        if found.is_empty() {
            return;
        }
        if signal == Signal::TERM && started.elapsed() >= grace {
            signal = Signal::KILL;
            told.clear();
        }
        for process in found {
            if signal == Signal::KILL || !told.contains(&process) {
                send(process, signal);
                told.push(process);
            }
        }
        tokio::time::sleep(POLL).await;
    }
}

fn send(process: ProcessMark, signal: Signal) {
    let Some(pid) = Pid::from_raw(process.pid) else { return };
    // It leads its session, so its group is all that it started and did not move elsewhere. A process that ended
    // meanwhile is what is wanted.
    let _ = kill_process_group(pid, signal);
    let _ = kill_process(pid, signal);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_its_successor_is_not_taken_for_it() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let own = mark(pid).unwrap();
        assert!(is_alive(own));
        assert!(!is_alive(ProcessMark { start_time: own.start_time + 1, ..own }));
        assert_eq!(mark(i32::MAX), None);
    }
}
