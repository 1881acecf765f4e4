/// Whether the viewer may press a button; if not, the reason that stands in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum May {
    Yes,
    /// A sentence without its full stop: `only release-managers may approve`, `you wrote this commit`.
    No(String),
}
