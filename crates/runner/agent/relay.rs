use std::ffi::OsStr;
use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// Listens on 127.0.0.1:`port`, here, and hands every connection on to the Unix socket.
///
/// So a step in a container reaches the server by the same address as on the server's machine.
pub fn listen(port: u16, socket: &[u8]) -> Result<(), String> {
    let listener = TcpListener::bind(("127.0.0.1", port)).map_err(|error| format!("127.0.0.1:{port}: {error}"))?;
    let socket = PathBuf::from(OsStr::from_bytes(socket));
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let socket = socket.clone();
            std::thread::spawn(move || join(connection, &socket));
        }
    });
    Ok(())
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
