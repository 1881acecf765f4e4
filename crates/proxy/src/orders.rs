use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::{Mutex, Notify};

use crate::command::{Command, LINE_BYTES, Refusal, Reply, Status};
use crate::table::Table;

/// Where the orders of the control socket are carried out.
#[derive(Debug, Clone)]
pub struct Orders {
    pub table: Arc<Mutex<Table>>,
    pub shutdown: Arc<Notify>,
}

impl Orders {
    /// Answers one connection, line by line, to its end.
    pub async fn attend(self, stream: UnixStream) {
        let (read, mut write) = stream.into_split();
        let mut lines = BufReader::new(read.take(LINE_BYTES));
        let mut line = Vec::new();
        loop {
            line.clear();
            lines.get_mut().set_limit(LINE_BYTES);
            match lines.read_until(b'\n', &mut line).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            let is_whole = line.ends_with(b"\n");
            let reply = match serde_json::from_slice(&line) {
                Ok(command) => self.follow(command).await,
                Err(_) if !is_whole => Err(Refusal::NotUnderstood {
                    reason: format!("a line ended after {} bytes, of at most {LINE_BYTES}", line.len()),
                }),
                Err(error) => Err(Refusal::NotUnderstood { reason: error.to_string() }),
            };
            let reply = reply.unwrap_or_else(|refusal| Reply::Refused { refusal });
            let Ok(mut text) = serde_json::to_vec(&reply) else { return };
            text.push(b'\n');
            if write.write_all(&text).await.is_err() || !is_whole {
                return;
            }
        }
    }

    async fn follow(&self, command: Command) -> Result<Reply, Refusal> {
        Ok(match command {
            Command::Status => {
                let routes = self.table.lock().await.len() as u64;
                let version = env!("CARGO_PKG_VERSION").to_owned();
                Reply::Status { status: Status { pid: std::process::id(), version, routes } }
            }
            Command::Open { routes } => Reply::Routes { routes: self.table.lock().await.open(routes).await? },
            Command::Install { routes } => {
                Reply::Routes { routes: self.table.lock().await.install(routes).await? }
            }
            Command::Drain { drains } => {
                let waits = {
                    let table = self.table.lock().await;
                    drains.iter().map(|drain| table.draining(drain)).collect::<Result<Vec<_>, _>>()?
                };
                let reports = waits.into_iter().map(|draining| draining.finish());
                Reply::Drained { reports: futures_util::future::join_all(reports).await }
            }
            Command::List => Reply::Routes { routes: self.table.lock().await.statuses() },
            Command::Remove { keys } => {
                self.table.lock().await.remove(&keys).await?;
                Reply::Done
            }
            Command::Shutdown => {
                self.shutdown.notify_one();
                Reply::Done
            }
        })
    }
}
