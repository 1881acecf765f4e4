use std::ffi::{OsStr, OsString};
use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::linux;

/// Listens on `port` of localhost, here, and hands every connection on to the Unix socket.
///
/// So a step in a container reaches the server by the same address as on the server's machine.
pub fn listen(port: u16, socket: &[u8]) -> Result<(), String> {
    let socket = PathBuf::from(OsStr::from_bytes(socket));
    for listener in bind(port)? {
        let socket = socket.clone();
        std::thread::spawn(move || serve(&listener, &socket));
    }
    Ok(())
}

/// On 127.0.0.1, and on ::1 where the container has one: some programs try no other address of `localhost`.
fn bind(port: u16) -> Result<Vec<TcpListener>, String> {
    let first = TcpListener::bind(("127.0.0.1", port)).map_err(|error| format!("127.0.0.1:{port}: {error}"))?;
    Ok([first].into_iter().chain(TcpListener::bind(("::1", port))).collect())
}

fn serve(listener: &TcpListener, socket: &Path) {
    for connection in listener.incoming().flatten() {
        let socket = socket.to_owned();
        std::thread::spawn(move || join(connection, &socket));
    }
}

/// Becomes another program, which finds ports of 127.0.0.1 that lead out of its container: `FOLDER PORTS PROGRAM
/// ARGUMENT…`, where the folder has a Unix socket for each of the ports, which commas part.
///
/// The relay is a child of the program, and ends with its container; the program keeps its place as process 1.
pub fn run_behind(words: &[OsString]) -> ! {
    let [folder, ports, program, arguments @ ..] = words else { fail("the program to run is not named") };
    let ports = ports.to_string_lossy();
    let ports = ports.split(',').map(|port| port.parse::<u16>().unwrap_or_else(|_| fail("a port is no number")));
    let listeners: Vec<(TcpListener, PathBuf)> = ports
        .flat_map(|port| {
            let socket = Path::new(folder).join(port.to_string());
            let listeners = bind(port).unwrap_or_else(|problem| fail(&problem));
            listeners.into_iter().map(move |listener| (listener, socket.clone()))
        })
        .collect();
    match linux::fork_apart() {
        Ok(true) => {
            for (listener, socket) in listeners {
                std::thread::spawn(move || serve(&listener, &socket));
            }
            loop {
                std::thread::park();
            }
        }
        Ok(false) => {
            let error = Command::new(program).args(arguments).exec();
            fail(&format!("`{}`: {error}", program.to_string_lossy()))
        }
        Err(error) => fail(&error.to_string()),
    }
}

/// As shells say that a program could not be started.
fn fail(problem: &str) -> ! {
    eprintln!("sluice: {problem}");
    std::process::exit(127)
}

/// Copies both ways until both ends are closed.
fn join(near: TcpStream, socket: &Path) {
    let Ok(far) = UnixStream::connect(socket) else { return };
    let (Ok(mut near_again), Ok(mut far_again)) = (near.try_clone(), far.try_clone()) else { return };
    let (mut near, mut far) = (near, far);
    let outward = std::thread::spawn(move || {
        let _ = io::copy(&mut near_again, &mut far_again);
        let _ = far_again.shutdown(Shutdown::Write);
    });
    let _ = io::copy(&mut far, &mut near);
    let _ = near.shutdown(Shutdown::Write);
    let _ = outward.join();
}
