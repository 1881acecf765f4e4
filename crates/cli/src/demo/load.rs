use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;

const CLIENTS: usize = 4;
const PAUSE: Duration = Duration::from_millis(10);

/// Visitors: a few clients that ask one address again and again, and remember every answer that was not 200.
pub struct Load {
    tally: Arc<Tally>,
    visitors: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Tally {
    stop: AtomicBool,
    answered: AtomicU64,
    failed: AtomicU64,
    first_failure: std::sync::Mutex<Option<String>>,
}

/// What the visitors saw.
#[derive(Debug, Clone)]
pub struct Seen {
    pub requests: u64,
    pub failed: u64,
    pub first_failure: Option<String>,
}

impl Load {
    pub fn start(address: &str) -> anyhow::Result<Self> {
        let tally = Arc::new(Tally::default());
        let http = reqwest::Client::builder().timeout(Duration::from_secs(10)).build()?;
        let visitors = (0..CLIENTS)
            .map(|_| tokio::spawn(visit(http.clone(), address.to_owned(), Arc::clone(&tally))))
            .collect();
        Ok(Self { tally, visitors })
    }

    pub async fn stop(self) -> Seen {
        self.tally.stop.store(true, Ordering::Relaxed);
        for visitor in self.visitors {
            // A visitor that panicked has counted until then.
            let _ = visitor.await;
        }
        let failed = self.tally.failed.load(Ordering::Relaxed);
        let first_failure = self.tally.first_failure.lock().ok().and_then(|first| first.clone());
        Seen { requests: self.tally.answered.load(Ordering::Relaxed) + failed, failed, first_failure }
    }
}

async fn visit(http: reqwest::Client, address: String, tally: Arc<Tally>) {
    while !tally.stop.load(Ordering::Relaxed) {
        let failure = match http.get(&address).send().await {
            Ok(response) if response.status().is_success() => match response.bytes().await {
                Ok(_) => None,
                Err(error) => Some(error.to_string()),
            },
            Ok(response) => Some(format!("{address} answered {}", response.status())),
            Err(error) => Some(format!("{error:?}")),
        };
        match failure {
            None => {
                tally.answered.fetch_add(1, Ordering::Relaxed);
            }
            Some(failure) => {
                tally.failed.fetch_add(1, Ordering::Relaxed);
                if let Ok(mut first) = tally.first_failure.lock() {
                    first.get_or_insert(failure);
                }
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}
