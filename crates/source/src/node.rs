use std::sync::Arc;

use crate::Location;

/// One place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position {
    /// Counts from 1.
    pub line: u32,
    /// Counts from 1, in characters.
    pub column: u32,
    /// Bytes from the start of the text (after a byte-order mark).
    pub byte: u32,
}

/// A stretch of text: `start` is in it, `end` is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Span {
    pub start: Position,
    pub end: Position,
    /// Which text, for a reader of several: the number that it gave to [`crate::Options::file`].
    pub file: u32,
}

impl Span {
    pub fn new(start: Position, end: Position) -> Self {
        Self { start, end, file: 0 }
    }

    pub fn in_file(self, file: u32) -> Self {
        Self { file, ..self }
    }

    /// The span's first character in the file `path`.
    pub fn at(&self, path: &str) -> Location {
        Location { path: path.to_owned(), line: self.start.line, column: self.start.column }
    }

    /// Characters, for a span within one line; 0 for a longer one, of which only the start is shown.
    pub fn length(&self) -> u32 {
        if self.start.line == self.end.line { self.end.column.saturating_sub(self.start.column) } else { 0 }
    }
}

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Style {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    /// `|`
    Literal,
    /// `>`
    Folded,
}

/// A scalar with its text as written (after YAML's own unescaping and folding): `3.10` stays `3.10`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scalar {
    pub text: Arc<str>,
    pub style: Style,
}

impl Scalar {
    pub fn is_plain(&self) -> bool {
        self.style == Style::Plain
    }
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub key: Node,
    pub value: Node,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    Scalar(Scalar),
    Sequence(Arc<Vec<Node>>),
    /// In the file's order.
    Mapping(Arc<Vec<Entry>>),
}

/// One YAML node with its place. A clone is cheap: children are shared, as are those of an anchor and its aliases.
#[derive(Debug, Clone)]
pub struct Node {
    pub kind: Kind,
    /// Where the content stands; for an alias, that of its anchor.
    pub span: Span,
    /// The whole tag, `tag:yaml.org,2002:str` for `!!str`; `!x` for a local one.
    pub tag: Option<Arc<str>>,
    /// The name after `&`.
    pub anchor: Option<Arc<str>>,
    /// Where `*name` stands, when this node came from an alias.
    pub alias: Option<Span>,
}

/// Content only: two nodes are equal when kind, text, style and tag are, wherever they stand.
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind && self.tag == other.tag
    }
}

impl Eq for Node {}

impl Node {
    /// A node that no file holds, at the place of the one that it stands for.
    pub fn new(kind: Kind, span: Span) -> Self {
        Self { kind, span, tag: None, anchor: None, alias: None }
    }

    pub fn scalar(text: impl Into<Arc<str>>, style: Style, span: Span) -> Self {
        Self::new(Kind::Scalar(Scalar { text: text.into(), style }), span)
    }

    pub fn sequence(items: Vec<Node>, span: Span) -> Self {
        Self::new(Kind::Sequence(Arc::new(items)), span)
    }

    pub fn mapping(entries: Vec<Entry>, span: Span) -> Self {
        Self::new(Kind::Mapping(Arc::new(entries)), span)
    }

    pub fn as_scalar(&self) -> Option<&Scalar> {
        match &self.kind {
            Kind::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// The text of a scalar of any style.
    pub fn text(&self) -> Option<&str> {
        self.as_scalar().map(|scalar| &*scalar.text)
    }

    pub fn items(&self) -> Option<&[Node]> {
        match &self.kind {
            Kind::Sequence(items) => Some(items),
            _ => None,
        }
    }

    pub fn entries(&self) -> Option<&[Entry]> {
        match &self.kind {
            Kind::Mapping(entries) => Some(entries),
            _ => None,
        }
    }

    /// The entry of a mapping whose key is this text. It scans the mapping: build an index for many look-ups.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries()?.iter().find(|entry| entry.key.text() == Some(key))
    }

    /// The value of [`Node::entry`].
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// A plain scalar that YAML's core schema reads as null: nothing at all, `~` or `null`.
    pub fn is_null(&self) -> bool {
        matches!(crate::resolve(self), Some(crate::Resolved::Null))
    }

    /// Where a message about this node should point: at the alias where there is one.
    pub fn place(&self) -> Span {
        self.alias.unwrap_or(self.span)
    }

    /// For messages: `a map`, `a list`, `a string`, `a number`, `a boolean`, `nothing`.
    pub fn describe(&self) -> &'static str {
        use crate::Resolved;
        match &self.kind {
            Kind::Mapping(_) => "a map",
            Kind::Sequence(_) => "a list",
            Kind::Scalar(_) => match crate::resolve(self) {
                Some(Resolved::Null) => "nothing",
                Some(Resolved::Bool(_)) => "a boolean",
                Some(Resolved::Int(_) | Resolved::Float(_)) => "a number",
                _ => "a string",
            },
        }
    }
}
