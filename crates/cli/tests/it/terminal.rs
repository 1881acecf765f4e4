//! A terminal for `sluice`, and a person at it.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

pub struct Terminal {
    keys: File,
    child: Child,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    /// Starts a program that has a terminal of this size for its own.
    pub fn start(mut command: Command, columns: u16, rows: u16) -> Self {
        let near = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&near).unwrap();
        unlockpt(&near).unwrap();
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&near, size).unwrap();
        let name = ptsname(&near, Vec::new()).unwrap();
        let far = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        let end = || std::process::Stdio::from(far.try_clone().unwrap());
        command.stdin(end()).stdout(end()).stderr(end()).env("TERM", "xterm-256color");
        // SAFETY: both are system calls, which is all that may be done after a fork.
        unsafe {
            command.pre_exec(|| {
                rustix::process::setsid()?;
                Ok(rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?)
            })
        };
        let child = command.spawn().unwrap();
        drop((far, command));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut output = File::from(near.try_clone().unwrap());
        let shared = seen.clone();
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            // An error is the terminal's end.
            while let Ok(count @ 1..) = output.read(&mut piece) {
                shared.lock().unwrap().extend_from_slice(&piece[..count]);
            }
        });
        Self { keys: File::from(near), child, seen }
    }

    /// All that was written so far, as it was written.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap()).into_owned()
    }

    pub fn await_text(&self, words: &str) {
        let begun = Instant::now();
        while !self.text().contains(words) {
            assert!(begun.elapsed() < Duration::from_secs(30), "`{words}` never came:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// The exit code, and all that was written.
    pub fn end(mut self) -> (Option<i32>, String) {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                // What it wrote last is on its way.
                std::thread::sleep(Duration::from_millis(50));
                return (status.code(), self.text());
            }
            if begun.elapsed() > Duration::from_secs(30) {
                self.child.kill().unwrap();
                panic!("it never ended:\n{}", self.text());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
