use std::time::{SystemTime, UNIX_EPOCH};

use sluice_model::Timestamp;

/// The one place of the server that reads the clock. Before 1970 it is 1970.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
