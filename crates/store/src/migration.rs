use rusqlite::Connection;

use crate::StoreError;

/// Every change to the schema, in order. One that has been released is never edited: a test freezes their digests.
pub(crate) const MIGRATIONS: [&str; 4] = [
    include_str!("../migrations/0001_first.sql"),
    include_str!("../migrations/0002_image_claims.sql"),
    include_str!("../migrations/0003_token_scopes.sql"),
    include_str!("../migrations/0004_packages_seen.sql"),
];

/// Brings the schema up to date. A schema newer than this program's is left alone and refused.
pub(crate) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let known = MIGRATIONS.len() as i64;
    if found > known {
        return Err(StoreError::NewerSchema { found, known });
    }
    for (index, sql) in MIGRATIONS.iter().enumerate().skip(found as usize) {
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "user_version", index as i64 + 1)?;
        transaction.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::hash::Hasher;

    use super::*;

    /// FNV-1a: enough to notice an edit, and the same on every machine.
    #[derive(Default)]
    struct Fnv(u64);

    impl Hasher for Fnv {
        fn finish(&self) -> u64 {
            self.0
        }
        fn write(&mut self, bytes: &[u8]) {
            for byte in bytes {
                self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
    }

    #[test]
    fn a_migration_that_was_released_is_never_edited() {
        let frozen = [FROZEN_0001, FROZEN_0002, FROZEN_0003, FROZEN_0004];
        for (sql, frozen) in MIGRATIONS.iter().zip(frozen) {
            let mut hash = Fnv(0xcbf2_9ce4_8422_2325);
            hash.write(sql.as_bytes());
            assert_eq!(hash.finish(), frozen, "add a new migration instead of editing this one:\n{sql}");
        }
        assert_eq!(MIGRATIONS.len(), frozen.len());
    }

    const FROZEN_0001: u64 = 16685293435949934661;
    const FROZEN_0002: u64 = 8626737242845537864;
    const FROZEN_0003: u64 = 2406388682034023237;
    const FROZEN_0004: u64 = 16856384771925429507;

    #[test]
    fn a_newer_schema_is_refused() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
        let refusal = migrate(&mut connection).unwrap_err();
        assert!(matches!(refusal, StoreError::NewerSchema { found: 99, .. }), "{refusal}");
    }
}
