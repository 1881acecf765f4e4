//! Images outside the registry: references, layout folders, other registries.

mod choose;

pub(crate) use choose::{choose, platforms};
