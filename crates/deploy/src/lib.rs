//! Rollouts on the host and in Docker. Never decides whether.
