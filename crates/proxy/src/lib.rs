//! The reverse proxy data plane with its control socket. Knows no releases.
