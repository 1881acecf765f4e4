use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tokio::net::{TcpStream, UnixListener};
use tokio::task::JoinSet;

/// A port of a container's 127.0.0.1 that leads to one of this machine's loopback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forward {
    pub inside: u16,
    pub outside: u16,
}

impl Forward {
    pub fn same(port: u16) -> Self {
        Self { inside: port, outside: port }
    }
}

/// Unix sockets that lead to ports of this machine's loopback, for steps in a container. Closed when dropped.
#[derive(Default)]
pub struct Relay {
    _tasks: JoinSet<()>,
}

impl Relay {
    /// Makes `<folder>/<port inside>` for every port.
    pub fn serve(folder: &Path, ports: &[Forward]) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let mut tasks = JoinSet::new();
        // A socket's path may be 107 bytes long, and a data folder's may be longer: name it by its descriptor.
        let opened = std::fs::File::open(folder)?;
        for Forward { inside, outside } in ports.iter().copied() {
            let listener = UnixListener::bind(format!("/proc/self/fd/{}/{inside}", opened.as_raw_fd()))?;
            // The folder above is closed to others; the job's own user has to be able to connect.
            std::fs::set_permissions(
                folder.join(inside.to_string()),
                std::fs::Permissions::from_mode(0o666),
            )?;
            tasks.spawn(accept(listener, outside));
        }
        Ok(Self { _tasks: tasks })
    }
}

async fn accept(listener: UnixListener, port: u16) {
    // Connections end with the relay.
    let mut connections = JoinSet::new();
    while let Ok((mut near, _)) = listener.accept().await {
        connections.spawn(async move {
            if let Ok(mut far) = TcpStream::connect(("127.0.0.1", port)).await {
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            }
        });
        while connections.try_join_next().is_some() {}
    }
}
