//! The only SQL: event log, outbox, projections. Holds no rule.
