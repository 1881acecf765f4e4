//! Images outside the registry: in layout folders, archives and other registries. What `sluice image` does.

pub(crate) mod archive;
mod challenge;
mod choose;
mod copy;
mod endpoint;
mod error;
pub(crate) mod extract;
mod inspect;
mod layer;
mod layout;
mod list;
mod location;
mod pack;
pub(crate) mod remote;
mod remove;
pub(crate) mod store;
mod transfer;
mod unpack;
mod within;

pub use copy::{Copied, CopyOptions, copy};
pub use endpoint::Endpoint;
pub use error::ImageError;
pub use extract::{Limits, Unpacked};
pub use inspect::{Inspected, inspect};
pub use layer::Content;
pub use list::{Listed, list, repositories};
pub use location::Location;
pub use pack::{PackOptions, Packed, pack};
pub use remove::remove;
pub use unpack::unpack;

pub(crate) use choose::{choose, platforms};
