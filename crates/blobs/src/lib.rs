//! Content-addressed bytes on disk. Gives no meaning to them.
