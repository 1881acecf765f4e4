//! The run machine: jobs, conditions, gates, leases, cancel. Pure: no I/O, no clock.
