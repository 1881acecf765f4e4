//! The OCI distribution API. Knows no runs: it emits "pushed".
