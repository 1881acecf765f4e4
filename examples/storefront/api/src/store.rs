//! Orders in PostgreSQL.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use time::OffsetDateTime;

/// In order; one that was released never changes.
const MIGRATIONS: [(&str, &str); 2] = [
    ("orders", include_str!("../migrations/0001_orders.sql")),
    ("orders by item", include_str!("../migrations/0002_orders_by_item.sql")),
];

/// Several versions and several instances of each share a database, so that none takes many connections.
const MAX_CONNECTIONS: u32 = 4;
const CONNECT_WITHIN: Duration = Duration::from_secs(3);
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// The orders. A clone is the same store.
#[derive(Debug, Clone)]
pub struct Store {
    pool: PgPool,
    is_migrated: Arc<AtomicBool>,
}

#[derive(Debug, Serialize)]
pub struct Order {
    pub id: i64,
    pub item: String,
    pub quantity: i32,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}

type OrderRow = (i64, String, i32, OffsetDateTime);

impl From<OrderRow> for Order {
    fn from((id, item, quantity, created_at): OrderRow) -> Self {
        Self { id, item, quantity, created_at }
    }
}

/// An item, and how many of it were ordered.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Popular {
    pub item: String,
    pub ordered: i64,
}

impl Store {
    /// Connects when it is asked for the first time.
    pub fn new(database: PgConnectOptions) -> Self {
        let options = PgPoolOptions::new().max_connections(MAX_CONNECTIONS).acquire_timeout(CONNECT_WITHIN);
        Self { pool: options.connect_lazy_with(database), is_migrated: Arc::default() }
    }

    /// Brings the schema up to date, and tries until it is. One instance at a time does it: sqlx takes a lock of the database.
    /// A schema that is newer than this program is left as it is, so that an earlier version can come back.
    pub async fn migrate(&self) {
        let migrations = (1..).zip(MIGRATIONS).map(|(version, (description, sql))| {
            Migration::new(version, description.into(), MigrationType::Simple, sql.into(), false)
        });
        let migrator = Migrator { migrations: migrations.collect(), ignore_missing: true, ..Migrator::DEFAULT };
        while let Err(error) = migrator.run(&self.pool).await {
            tracing::warn!(error = %error, "the schema cannot be brought up to date yet");
            tokio::time::sleep(TRY_AGAIN_AFTER).await;
        }
        self.is_migrated.store(true, Ordering::Release);
        tracing::info!("the schema is up to date");
    }

    /// # Errors
    /// Why orders cannot be taken.
    pub async fn ready(&self) -> Result<(), String> {
        if !self.is_migrated.load(Ordering::Acquire) {
            return Err("PostgreSQL: the schema is not up to date yet".to_owned());
        }
        sqlx::query("SELECT 1").execute(&self.pool).await.map(drop).map_err(|error| format!("PostgreSQL: {error}"))
    }

    /// The newest first.
    pub async fn orders(&self, limit: i64) -> sqlx::Result<Vec<Order>> {
        let sql = "SELECT id, item, quantity, created_at FROM orders ORDER BY id DESC LIMIT $1";
        let rows: Vec<OrderRow> = sqlx::query_as(sql).bind(limit).fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(Order::from).collect())
    }

    pub async fn add(&self, item: &str, quantity: i32) -> sqlx::Result<Order> {
        let sql = "INSERT INTO orders (item, quantity) VALUES ($1, $2) RETURNING id, item, quantity, created_at";
        let row: OrderRow = sqlx::query_as(sql).bind(item).bind(quantity).fetch_one(&self.pool).await?;
        Ok(Order::from(row))
    }

    /// What was ordered most, the most first.
    pub async fn popular(&self, limit: i64) -> sqlx::Result<Vec<Popular>> {
        let sql =
            "SELECT item, sum(quantity) AS ordered FROM orders GROUP BY item ORDER BY ordered DESC, item LIMIT $1";
        let rows: Vec<(String, i64)> = sqlx::query_as(sql).bind(limit).fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(|(item, ordered)| Popular { item, ordered }).collect())
    }

    /// Gives the connections back.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}
