//! What is popular, kept in Redis for a moment. A cache that is away costs a query, and never an answer.

use std::time::Duration;

use redis::AsyncCommands;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use tokio::sync::OnceCell;

use crate::store::Popular;

const KEY: &str = "popular";
const KEEP_FOR_SECONDS: u64 = 30;
const ANSWER_WITHIN: Duration = Duration::from_millis(500);

pub struct Cache {
    client: redis::Client,
    connection: OnceCell<ConnectionManager>,
}

/// What the cache knew.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    Hit(Vec<Popular>),
    Miss,
    Away,
}

impl Cache {
    pub fn new(client: redis::Client) -> Self {
        Self { client, connection: OnceCell::new() }
    }

    /// # Errors
    /// Why Redis does not answer.
    pub async fn ready(&self) -> Result<(), String> {
        let ping = async { self.connection().await?.ping::<()>().await };
        ping.await.map_err(|error| format!("Redis: {error}"))
    }

    pub async fn read(&self) -> Found {
        let read = async { self.connection().await?.get::<_, Option<String>>(KEY).await };
        match read.await {
            // What cannot be read was written by another version.
            Ok(text) => text.and_then(|text| serde_json::from_str(&text).ok()).map_or(Found::Miss, Found::Hit),
            Err(error) => {
                tracing::warn!(error = %error, "the cache is away");
                Found::Away
            }
        }
    }

    pub async fn write(&self, popular: &[Popular]) {
        let Ok(text) = serde_json::to_string(popular) else { return };
        self.tolerate(async { self.connection().await?.set_ex(KEY, text, KEEP_FOR_SECONDS).await }).await;
    }

    /// After an order; without it the cache would be right again after its time.
    pub async fn forget(&self) {
        self.tolerate(async { self.connection().await?.del(KEY).await }).await;
    }

    async fn tolerate(&self, doing: impl Future<Output = redis::RedisResult<()>>) {
        if let Err(error) = doing.await {
            tracing::warn!(error = %error, "the cache is away");
        }
    }

    /// One connection, which connects again by itself when it breaks.
    async fn connection(&self) -> redis::RedisResult<ConnectionManager> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(ANSWER_WITHIN)
            .set_response_timeout(ANSWER_WITHIN)
            .set_number_of_retries(1);
        let connect = || self.client.get_connection_manager_with_config(config);
        self.connection.get_or_try_init(connect).await.cloned()
    }
}
