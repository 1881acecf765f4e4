//! What only Linux has: adoption of orphans, parent-death signals, a look at an ended child without reaping it.
//!
//! Declared here rather than taken from a crate, so that the agent is one `rustc` call without dependencies.

use std::ffi::{c_char, c_int, c_ulong, c_void};
use std::io;
use std::os::fd::AsRawFd;

unsafe extern "C" {
    fn prctl(option: c_int, ...) -> c_int;
    fn setsid() -> c_int;
    fn fork() -> c_int;
    fn dup2(old: c_int, new: c_int) -> c_int;
    fn getpid() -> c_int;
    fn getuid() -> u32;
    fn getgid() -> u32;
    fn setgroups(count: usize, groups: *const u32) -> c_int;
    fn setgid(gid: u32) -> c_int;
    fn setuid(uid: u32) -> c_int;
    fn kill(pid: c_int, signal: c_int) -> c_int;
    fn waitpid(pid: c_int, status: *mut c_int, options: c_int) -> c_int;
    fn waitid(kind: c_int, id: u32, info: *mut c_void, options: c_int) -> c_int;
    fn poll(fds: *mut PollFd, count: c_ulong, timeout_ms: c_int) -> c_int;
    fn fcntl(fd: c_int, command: c_int, ...) -> c_int;
    fn lchown(path: *const c_char, uid: u32, gid: u32) -> c_int;
    fn umask(mask: u32) -> u32;
    fn close(fd: c_int) -> c_int;
    fn recvmsg(socket: c_int, message: *mut Message, flags: c_int) -> isize;
}

pub const SIGKILL: c_int = 9;
const SIGSTOP: c_int = 19;
const PR_SET_PDEATHSIG: c_int = 1;
const PR_SET_CHILD_SUBREAPER: c_int = 36;
const P_ALL: c_int = 0;
const WEXITED: c_int = 4;
const WNOHANG: c_int = 1;
const WNOWAIT: c_int = 0x0100_0000;
const F_SETFL: c_int = 4;
const MSG_CMSG_CLOEXEC: c_int = 0x4000_0000;
const SOL_SOCKET: c_int = 1;
const SCM_RIGHTS: c_int = 1;
const O_NONBLOCK: c_int = 0o4000;
pub const POLLIN: i16 = 1;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct PollFd {
    pub fd: c_int,
    pub events: i16,
    pub revents: i16,
}

/// Who a step runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub uid: u32,
    pub gid: u32,
    pub groups: Vec<u32>,
}

/// Orphans below this process become its children instead of process 1's.
pub fn adopt_orphans() {
    // SAFETY: sets a flag of this process; no memory is involved.
    unsafe { prctl(PR_SET_CHILD_SUBREAPER, 1 as c_ulong, 0 as c_ulong, 0 as c_ulong, 0 as c_ulong) };
}

/// Forks, while there is one thread: true in the child, which has a session of its own, and nothing of this process's input
/// and output.
pub fn fork_apart() -> io::Result<bool> {
    let nothing = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    // SAFETY: no other thread holds anything that the child would wait for.
    match unsafe { fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            // SAFETY: the descriptor is open; no memory is involved.
            unsafe {
                setsid();
for number in 0..3 {
                    dup2(nothing.as_raw_fd(), number);
                }
            }
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// A `msghdr`.
#[repr(C)]
struct Message {
    name: *mut c_void,
    name_length: u32,
    pieces: *mut Piece,
    piece_count: usize,
    control: *mut c_void,
    control_length: usize,
    flags: c_int,
}

/// An `iovec`.
#[repr(C)]
struct Piece {
    start: *mut c_void,
    length: usize,
}

/// A `cmsghdr` with two descriptors.
#[repr(C)]
struct Rights {
    length: usize,
    level: c_int,
    kind: c_int,
    descriptors: [c_int; 2],
}

/// Waits for two descriptors that somebody hands over by a Unix socket (`SCM_RIGHTS` of unix(7)). None when nobody can
/// any more.
pub fn receive_descriptors(socket: c_int) -> Option<(c_int, c_int)> {
    loop {
        let mut byte = 0u8;
        let mut rights = Rights { length: 0, level: 0, kind: 0, descriptors: [-1; 2] };
        let mut piece = Piece { start: (&raw mut byte).cast(), length: 1 };
        let mut message = Message {
            name: std::ptr::null_mut(),
            name_length: 0,
            pieces: &raw mut piece,
            piece_count: 1,
            control: (&raw mut rights).cast(),
            control_length: size_of::<Rights>(),
            flags: 0,
        };
        // SAFETY: all that the message points to outlives the call, and is as long as it says.
        let received = unsafe { recvmsg(socket, &raw mut message, MSG_CMSG_CLOEXEC) };
        match received {
            1 if (rights.level, rights.kind) == (SOL_SOCKET, SCM_RIGHTS) => {
                let [first, second] = rights.descriptors;
                return Some((first, second));
            }
            -1 if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => (),
            _ => return None,
        }
    }
}

/// Forks, while there is one thread: true in the child, whose input and output the two are. This process has closed them.
pub fn fork_onto(input: c_int, output: c_int) -> bool {
    // SAFETY: no other thread holds anything that the child would wait for, and both descriptors are this function's.
    unsafe {
        let is_child = fork() == 0;
        if is_child {
            dup2(input, 0);
            dup2(output, 1);
        }
        close(input);
        close(output);
        is_child
    }
}

/// Reaps all children that have ended.
pub fn reap_ended() {
    let mut status = 0;
    // SAFETY: `status` is a valid place for the answer.
    while unsafe { waitpid(-1, &mut status, WNOHANG) } > 0 {}
}

pub fn own_pid() -> i32 {
    // SAFETY: takes nothing and cannot fail.
    unsafe { getpid() }
}

pub fn own_identity() -> Identity {
    // SAFETY: both take nothing and cannot fail.
    unsafe { Identity { uid: getuid(), gid: getgid(), groups: Vec::new() } }
}

/// Files that steps make are for their owner to write and for all to read, whatever the runner's own mask is.
pub fn set_umask() {
    // SAFETY: sets a number of this process.
    unsafe { umask(0o022) };
}

/// Runs in the child between fork and exec: a session of its own, dead when the agent is, and the user asked for.
///
/// Calls only what is safe after a fork: no allocation, no lock.
pub fn become_step(identity: Option<&Identity>) -> io::Result<()> {
    let check = |outcome: c_int| if outcome < 0 { Err(io::Error::last_os_error()) } else { Ok(()) };
    // SAFETY: system calls on numbers, and on a slice that outlives them.
    unsafe {
        check(setsid())?;
        if let Some(identity) = identity {
            check(setgroups(identity.groups.len(), identity.groups.as_ptr()))?;
            check(setgid(identity.gid))?;
            check(setuid(identity.uid))?;
        }
        // After the change of user, which clears it.
        check(prctl(PR_SET_PDEATHSIG, SIGKILL as c_ulong, 0 as c_ulong, 0 as c_ulong, 0 as c_ulong))
    }
}

/// Room for a siginfo_t.
#[repr(C, align(8))]
struct Info([u8; 128]);

/// Waits until a child has ended, without reaping it. None where there is no child.
pub fn peek_ended() -> Option<i32> {
    let mut info = Info([0; 128]);
    loop {
        // SAFETY: `info` is as large and aligned as a siginfo_t.
        let outcome = unsafe { waitid(P_ALL, 0, info.0.as_mut_ptr().cast(), WEXITED | WNOWAIT) };
        if outcome == 0 {
            // On 64-bit Linux si_pid follows three ints and a padding.
            let pid = [info.0[16], info.0[17], info.0[18], info.0[19]];
            return Some(i32::from_ne_bytes(pid));
        }
        if io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return None;
        }
    }
}

/// Reaps a child that has ended: its exit code, or the signal that ended it. None where it is not there any more.
pub fn reap(pid: i32) -> Option<(i32, i32)> {
    let mut status = 0;
    // SAFETY: `status` is a valid place for the answer.
    let reaped = unsafe { waitpid(pid, &mut status, WNOHANG) };
    (reaped == pid).then_some(match status & 0x7f {
        0 => ((status >> 8) & 0xff, 0),
        signal => (-1, signal),
    })
}

/// Sends a signal to a process, or to a group where `pid` is negative. A target that is gone is no error.
pub fn signal(pid: i32, signal: i32) {
    // SAFETY: sends a signal; no memory is involved.
    unsafe { kill(pid, signal) };
}

pub fn set_nonblocking(fd: i32) {
    // SAFETY: sets a flag of a descriptor that the caller owns.
    unsafe { fcntl(fd, F_SETFL, O_NONBLOCK) };
}

/// Waits until one of `fds` can be read.
pub fn wait_readable(fds: &mut [PollFd]) {
    // SAFETY: the slice is valid for as long as the call takes.
    unsafe { poll(fds.as_mut_ptr(), fds.len() as c_ulong, -1) };
}

/// Changes the owner of a path itself, never of what it links to.
pub fn change_owner(path: &std::path::Path, uid: u32, gid: u32) -> io::Result<()> {
    use std::os::unix::ffi::OsStrExt;
    let path = std::ffi::CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: `path` is a C string that outlives the call.
    if unsafe { lchown(path.as_ptr(), uid, gid) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// One line of the process table.
struct Process {
    pid: i32,
    parent: i32,
    session: i32,
    is_zombie: bool,
}

/// Every process that `/proc` shows. Empty where there is no `/proc`.
fn processes() -> Vec<Process> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| process(entry.file_name().to_str()?.parse().ok()?)).collect()
}

fn process(pid: i32) -> Option<Process> {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything, so count from the last one.
    let after_name = stat.iter().rposition(|byte| *byte == b')')? + 1;
    let fields = String::from_utf8_lossy(&stat[after_name..]).into_owned();
    let mut fields = fields.split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let session = fields.nth(1)?.parse().ok()?;
    Some(Process { pid, parent, session, is_zombie: state == "Z" })
}

/// Kills all processes of a step's session, whatever groups they made.
pub fn kill_session(leader: i32) {
    signal(-leader, SIGKILL);
    for process in processes().iter().filter(|process| process.session == leader) {
        signal(process.pid, SIGKILL);
    }
}

/// Whether this process has a child, ended or not. What is below a child that ended is a child of its own: it adopts.
fn has_children() -> bool {
    let mut info = Info([0; 128]);
    // SAFETY: `info` is as large and aligned as a siginfo_t.
    unsafe { waitid(P_ALL, 0, info.0.as_mut_ptr().cast(), WEXITED | WNOWAIT | WNOHANG) == 0 }
}

/// Kills everything below this process, until there is nothing. False: it gave up on what cannot be killed.
pub fn kill_descendants() -> bool {
    // Most jobs leave nothing behind, and the process table of a large machine takes long to read.
    if !has_children() {
        return true;
    }
    let own = own_pid();
    if own == 1 {
        // In a container all processes are its own, and this reaches all at once.
        signal(-1, SIGKILL);
        return true;
    }
    for _ in 0..200 {
        let all = processes();
        let mut below = vec![own];
        let mut next = 0;
        while next < below.len() {
            let parent = below[next];
            below.extend(all.iter().filter(|process| process.parent == parent).map(|process| process.pid));
            next += 1;
        }
        let alive: Vec<i32> = all
            .iter()
            .filter(|process| process.pid != own && !process.is_zombie && below.contains(&process.pid))
            .map(|process| process.pid)
            .collect();
        if alive.is_empty() {
            return true;
        }
        // Stopped first, so that none forks while its siblings are killed.
        alive.iter().for_each(|pid| signal(*pid, SIGSTOP));
        alive.iter().for_each(|pid| signal(*pid, SIGKILL));
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    false
}
