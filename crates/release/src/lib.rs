//! Releases, environments, gates, promotions and `sluice.yaml`. Pure: no I/O, no clock.
