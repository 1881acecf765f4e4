//! Executes one job: on the host or in Docker. Never decides what is next.
