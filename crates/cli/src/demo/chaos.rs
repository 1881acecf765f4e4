use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::room::Room;
use super::server::{Launch, Server};

/// Keeps a server up; and, when asked, kills it at random moments and starts it again, so many times.
pub struct Keeper {
    server: Arc<Mutex<Server>>,
    killer: JoinHandle<anyhow::Result<()>>,
    kills: Arc<AtomicU32>,
}

impl Keeper {
    pub async fn start(room: &Room, kills: u32, seed: u64) -> anyhow::Result<Self> {
        let launch = room.launch();
        let server = Arc::new(Mutex::new(launch.start().await?));
        let done = Arc::new(AtomicU32::new(0));
        let killer =
            tokio::spawn(kill_at_random(launch, Arc::clone(&server), kills, seed, Arc::clone(&done)));
        Ok(Self { server, killer, kills: done })
    }

    /// How often the server was killed so far.
    pub fn kills(&self) -> u32 {
        self.kills.load(Ordering::Relaxed)
    }

    pub async fn stop(self) -> anyhow::Result<()> {
        self.killer.abort();
        match self.killer.await {
            Ok(outcome) => outcome?,
            Err(error) if error.is_cancelled() => {}
            Err(error) => return Err(error.into()),
        }
        self.server.lock().await.stop()
    }
}

async fn kill_at_random(
    launch: Launch,
    server: Arc<Mutex<Server>>,
    kills: u32,
    seed: u64,
    done: Arc<AtomicU32>,
) -> anyhow::Result<()> {
    let mut random = StdRng::seed_from_u64(seed);
    for _ in 0..kills {
        tokio::time::sleep(Duration::from_millis(random.random_range(300..6_000))).await;
        let mut server = server.lock().await;
        server.kill()?;
        *server = launch.start().await?;
        done.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}
