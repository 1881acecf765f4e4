//! The only SQL: event log, outbox, projections. Holds no rule, and never speaks HTTP.
//!
//! Every write is a [`Transaction`]: events of one or more streams, their effects, and typed [`Write`]s, all or
//! nothing. One thread writes and commits what waits in one group; readers never block it.

mod account;
mod error;
mod event;
mod migration;
mod pool;
mod push;
mod run;
mod store;
mod transaction;
mod value;
mod writer;

pub use account::{Access, Token, TokenKind, User, hash_token};
pub use error::StoreError;
pub use event::{EffectKey, StoredEffect, StoredEvent};
pub use push::{PushedImage, SeenRef};
pub use run::{RunFilter, RunRow};
pub use store::Store;
pub use transaction::{Append, Committed, NewEffect, NewEvent, Transaction, Write};
pub use writer::Durability;
