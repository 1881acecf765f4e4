use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use granit_parser::{Event, Marker, Parser, ScalarStyle, StructureStyle, Tag};

use crate::merge::{is_merge, merge_entries};
use crate::text::{clamp, strip_mark};
use crate::{Diagnostic, Entry, Kind, Location, Node, Position, Scalar, Span, Style};

/// What a text may cost. Each is an error of its own when exceeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of text.
    pub size_bytes: usize,
    /// Nested collections, aliases followed.
    pub depth: usize,
    /// Nodes that are written in the text.
    pub nodes: usize,
    /// Nodes that aliases and merges add to those: what a "billion laughs" text runs into.
    pub expanded_nodes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { size_bytes: 10 << 20, depth: 100, nodes: 6_000_000, expanded_nodes: 1_000_000 }
    }
}

/// What to do with a key that a mapping has twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DuplicateKeys {
    /// An error that shows both; the first one stays.
    #[default]
    Report,
    /// Both stay, for a dialect with its own words for it.
    Keep,
}

/// What to do with `<<`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MergeKeys {
    /// It stays as a key; [`merge_entries`] is there for whoever wants it.
    #[default]
    Keep,
    /// Its entries stand in its place.
    Apply,
}

#[derive(Debug, Clone, Default)]
pub struct Options {
    pub limits: Limits,
    pub duplicate_keys: DuplicateKeys,
    pub merge_keys: MergeKeys,
    /// Stands in every span of the text, so that a reader of several texts knows where a node came from.
    pub file: u32,
}

/// The documents of a text, and what was wrong with it.
///
/// A text that is not YAML gives one error and the documents before it. A duplicate key is an error beside its document.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// One node a document; a text with nothing in it has none.
    pub documents: Vec<Node>,
    pub diagnostics: Vec<Diagnostic>,
}

impl Loaded {
    /// The first document, when nothing was wrong with any.
    pub fn single(self) -> Result<Option<Node>, Vec<Diagnostic>> {
        if self.diagnostics.is_empty() {
            Ok(self.documents.into_iter().next())
        } else {
            Err(self.diagnostics)
        }
    }
}

/// Reads YAML 1.2 text into nodes. `path` is only for messages. Time and memory are linear in the text's size.
pub fn load(path: &str, text: &str, options: &Options) -> Loaded {
    let mut composer = Composer::new(path, options);
    if let Err(diagnostic) = composer.compose(strip_mark(text)) {
        composer.loaded.diagnostics.push(*diagnostic);
    }
    composer.loaded
}

/// Boxed, for an error is rare and the path of every event is hot.
type Refused = Box<Diagnostic>;

struct Composer<'a> {
    path: &'a str,
    options: &'a Options,
    loaded: Loaded,
    /// Collections that are not closed yet, outermost first.
    open: Vec<Open>,
    anchors: HashMap<usize, Anchored>,
    written: usize,
    expanded: usize,
}

/// A collection that is being read.
struct Open {
    start: Position,
    /// A flow collection ends at its bracket; a block one with its last child.
    is_flow: bool,
    tag: Option<Arc<str>>,
    anchor: usize,
    anchor_name: Option<Arc<str>>,
    children: Children,
    /// Nodes within, aliases followed.
    size: usize,
    /// Levels within, aliases followed.
    depth: usize,
}

enum Children {
    Sequence(Vec<Node>),
    Mapping { entries: Vec<Entry>, key: Option<Node> },
}

/// A node that `*name` may stand for.
struct Anchored {
    node: Node,
    size: usize,
    depth: usize,
}

impl<'a> Composer<'a> {
    fn new(path: &'a str, options: &'a Options) -> Self {
        Self {
            path,
            options,
            loaded: Loaded::default(),
            open: Vec::new(),
            anchors: HashMap::new(),
            written: 0,
            expanded: 0,
        }
    }

    fn compose(&mut self, text: &str) -> Result<(), Refused> {
        let limits = &self.options.limits;
        if text.len() > limits.size_bytes {
            return Err(self.refuse(
                "yaml/too-large",
                Span::default(),
                format!("the file has {} bytes, and {} are allowed", text.len(), limits.size_bytes),
            ));
        }
        let nesting = limits.depth.saturating_add(1);
        let options = granit_parser::options! {
            emit_comments: false,
            emit_anchor_events: true,
            emit_unresolved_aliases: true,
            block_nesting_limit: nesting,
            flow_nesting_limit: nesting,
        };
        for next in Parser::new_from_str_with_options(text, options) {
            match next {
                Ok((event, span)) => self.event(event, &span)?,
                Err(error) => return Err(self.scan_error(&error)),
            }
        }
        Ok(())
    }

    fn event(&mut self, event: Event<'_>, span: &granit_parser::Span) -> Result<(), Refused> {
        let place = Span::new(position(span.start), position(span.end)).in_file(self.options.file);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.count(place)?;
                let node = scalar(&text, style, tag.as_deref(), place);
                if anchor != 0 {
                    self.anchors.insert(anchor, Anchored { node: node.clone(), size: 1, depth: 0 });
                }
                self.push(node, 1, 0)
            }
            Event::SequenceStart(style, anchor, tag) => {
                self.enter(place, style, anchor, tag, Children::Sequence(Vec::new()))
            }
            Event::MappingStart(style, anchor, tag) => {
                self.enter(place, style, anchor, tag, Children::Mapping { entries: Vec::new(), key: None })
            }
            Event::SequenceEnd | Event::MappingEnd => self.leave(place),
            Event::Anchor(id, name) => {
                self.name_anchor(id, &name);
                Ok(())
            }
            Event::Alias(id) => self.alias(id, place),
            Event::UnresolvedAlias(name) => Err(self.refuse(
                "yaml/unknown-anchor",
                place,
                format!("no anchor `&{name}` stands before this alias"),
            )),
            Event::DocumentStart(..) => {
                self.anchors.clear();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn enter(
        &mut self,
        place: Span,
        style: StructureStyle,
        anchor: usize,
        tag: Option<Cow<'_, Tag>>,
        children: Children,
    ) -> Result<(), Refused> {
        self.count(place)?;
        if self.open.len() >= self.options.limits.depth {
            return Err(self.too_deep(place));
        }
        self.open.push(Open {
            start: place.start,
            is_flow: style == StructureStyle::Flow,
            tag: tag.as_deref().map(tag_text),
            anchor,
            anchor_name: None,
            children,
            size: 1,
            depth: 1,
        });
        Ok(())
    }

    fn leave(&mut self, end: Span) -> Result<(), Refused> {
        // The parser closes only what it opened.
        let Some(open) = self.open.pop() else { return Ok(()) };
        let (kind, last) = match open.children {
            Children::Sequence(items) => {
                let last = items.last().map(|item| item.place().end);
                (Kind::Sequence(Arc::new(items)), last)
            }
            Children::Mapping { entries, .. } => {
                let last = entries.last().map(|entry| entry.value.place().end.max(entry.key.place().end));
                (Kind::Mapping(Arc::new(self.finish_mapping(entries)?)), last)
            }
        };
        let end = if open.is_flow { end.end } else { last.unwrap_or(open.start) };
        let mut node = Node::new(kind, Span::new(open.start, end).in_file(self.options.file));
        node.tag = open.tag;
        node.anchor = open.anchor_name;
        if open.anchor != 0 {
            self.anchors
                .insert(open.anchor, Anchored { node: node.clone(), size: open.size, depth: open.depth });
        }
        self.push(node, open.size, open.depth)
    }

    /// Gives a node to the collection that it stands in.
    fn push(&mut self, node: Node, size: usize, depth: usize) -> Result<(), Refused> {
        let Some(parent) = self.open.last_mut() else {
            self.loaded.documents.push(node);
            return Ok(());
        };
        parent.size = parent.size.saturating_add(size);
        parent.depth = parent.depth.max(depth + 1);
        match &mut parent.children {
            Children::Sequence(items) => items.push(node),
            Children::Mapping { entries, key } => match key.take() {
                Some(key) => entries.push(Entry { key, value: node }),
                None => *key = Some(node),
            },
        }
        Ok(())
    }

    fn alias(&mut self, id: usize, place: Span) -> Result<(), Refused> {
        let Some(Anchored { node, size, depth }) = self.anchors.get(&id) else {
            return Err(self.refuse(
                "yaml/recursive-alias",
                place,
                "this alias stands inside of its own anchor".to_owned(),
            ));
        };
        let (mut node, size, depth) = (node.clone(), *size, *depth);
        node.alias = Some(place);
        self.expand(size, place)?;
        if self.open.len() + depth > self.options.limits.depth {
            return Err(self.too_deep(place));
        }
        self.push(node, size, depth)
    }

    /// `&name` comes after the start of the node that it names.
    fn name_anchor(&mut self, id: usize, name: &str) {
        let name: Arc<str> = Arc::from(name);
        if let Some(open) = self.open.last_mut().filter(|open| open.anchor == id) {
            open.anchor_name = Some(name);
        } else {
            if let Some(anchored) = self.anchors.get_mut(&id) {
                anchored.node.anchor = Some(name.clone());
            }
            if let Some(node) = self.last_pushed() {
                node.anchor = Some(name);
            }
        }
    }

    /// The node that [`Composer::push`] took last.
    fn last_pushed(&mut self) -> Option<&mut Node> {
        match self.open.last_mut().map(|open| &mut open.children) {
            None => self.loaded.documents.last_mut(),
            Some(Children::Sequence(items)) => items.last_mut(),
            Some(Children::Mapping { key: Some(key), .. }) => Some(key),
            Some(Children::Mapping { entries, key: None }) => {
                entries.last_mut().map(|entry| &mut entry.value)
            }
        }
    }

    fn finish_mapping(&mut self, entries: Vec<Entry>) -> Result<Vec<Entry>, Refused> {
        let merges = self.options.merge_keys == MergeKeys::Apply && entries.iter().any(is_merge);
        let entries = match self.options.duplicate_keys {
            DuplicateKeys::Report => self.without_duplicates(entries, merges),
            DuplicateKeys::Keep => entries,
        };
        if !merges {
            return Ok(entries);
        }
        let merged = merge_entries(self.path, &entries).map_err(Box::new)?;
        self.expand(merged.len().saturating_sub(entries.len()), entries[0].key.span)?;
        Ok(merged)
    }

    /// With merges, several `<<` are several sources and no duplicates.
    fn without_duplicates(&mut self, mut entries: Vec<Entry>, merges: bool) -> Vec<Entry> {
        if !has_duplicates(&entries) {
            return entries;
        }
        let key_of = |entry: &Entry| {
            entry.key.as_scalar().filter(|_| !(merges && is_merge(entry))).map(|key| key.text.clone())
        };
        let mut first: HashMap<Arc<str>, Span> = HashMap::with_capacity(entries.len());
        let mut repeated = Vec::new();
        entries.retain(|entry| {
            let Some(key) = key_of(entry) else { return true };
            let place = entry.key.place();
            match first.get(&key) {
                Some(earlier) => {
                    repeated.push((key, *earlier, place));
                    false
                }
                None => {
                    first.insert(key, place);
                    true
                }
            }
        });
        for (key, earlier, place) in repeated {
            self.report_duplicate(&key, earlier, place);
        }
        entries
    }

    fn report_duplicate(&mut self, key: &str, first: Span, second: Span) {
        // One too many is enough for a reader; a hostile text has a million.
        if self.loaded.diagnostics.len() >= 100 {
            return;
        }
        let diagnostic = Diagnostic::error(
            "yaml/duplicate-key",
            second.at(self.path),
            second.length(),
            format!("the key `{key}` stands twice in this map"),
        )
        .with_label(first.at(self.path), first.length(), "first here")
        .with_help("remove or rename one of them");
        self.loaded.diagnostics.push(diagnostic);
    }

    fn count(&mut self, place: Span) -> Result<(), Refused> {
        self.written += 1;
        let allowed = self.options.limits.nodes;
        if self.written > allowed {
            return Err(self.refuse(
                "yaml/too-many-nodes",
                place,
                format!("the file has more than {allowed} nodes"),
            ));
        }
        Ok(())
    }

    fn expand(&mut self, size: usize, place: Span) -> Result<(), Refused> {
        self.expanded = self.expanded.saturating_add(size);
        let allowed = self.options.limits.expanded_nodes;
        if self.expanded > allowed {
            return Err(self.refuse(
                "yaml/alias-bomb",
                place,
                format!("the aliases of this file stand for more than {allowed} nodes"),
            ));
        }
        Ok(())
    }

    fn too_deep(&self, place: Span) -> Refused {
        let allowed = self.options.limits.depth;
        self.refuse("yaml/too-deep", place, format!("lists and maps are nested deeper than {allowed} levels"))
    }

    fn refuse(&self, code: &str, place: Span, message: String) -> Refused {
        let mut at = place.at(self.path);
        (at.line, at.column) = (at.line.max(1), at.column.max(1));
        Box::new(Diagnostic::error(code, at, place.length(), message))
    }

    fn scan_error(&self, error: &granit_parser::ScanError) -> Refused {
        use granit_parser::ErrorKind;
        let at = position(*error.marker());
        let location = Location { path: self.path.to_owned(), line: at.line, column: at.column };
        let (code, help) = match error.kind() {
            ErrorKind::RecursionLimitExceeded => return self.too_deep(Span::new(at, at)),
            ErrorKind::TabNotAllowed
            | ErrorKind::TabInBlockIndentation
            | ErrorKind::TabInIndentation
            | ErrorKind::TabInPlainScalar
            | ErrorKind::TabAtBlockScalarStart => {
                ("yaml/tab", Some("YAML is indented with spaces; replace the tab"))
            }
            ErrorKind::UnclosedQuotedScalar => ("yaml/syntax", Some("close the quote")),
            ErrorKind::MappingValueNotAllowed => {
                ("yaml/syntax", Some("put quotes around a value that holds `: `, and check the indentation"))
            }
            _ => ("yaml/syntax", None),
        };
        let mut diagnostic =
            Diagnostic::error(code, location, 0, format!("this is not YAML: {}", error.kind()));
        diagnostic.help.extend(help.map(str::to_owned));
        Box::new(diagnostic)
    }
}

/// The parser counts lines from 1 and columns from 0.
fn position(marker: Marker) -> Position {
    Position {
        line: clamp(marker.line().max(1)),
        column: clamp(marker.col() + 1),
        byte: clamp(marker.byte_offset().unwrap_or_default()),
    }
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>, span: Span) -> Node {
    let style = match style {
        ScalarStyle::Plain => Style::Plain,
        ScalarStyle::SingleQuoted => Style::SingleQuoted,
        ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
        ScalarStyle::Literal => Style::Literal,
        ScalarStyle::Folded => Style::Folded,
    };
    // The parser makes a `~` of nothing at all; what is not written has no text.
    let is_absent = style == Style::Plain && span.start == span.end;
    let text = if is_absent { Arc::from("") } else { Arc::from(text) };
    let mut node = Node::new(Kind::Scalar(Scalar { text, style }), span);
    node.tag = tag.map(tag_text);
    node
}

fn tag_text(tag: &Tag) -> Arc<str> {
    Arc::from(format!("{}{}", tag.handle(), tag.suffix()))
}

/// Nearly every map is small and has none, and this is the path of every map.
fn has_duplicates(entries: &[Entry]) -> bool {
    const SMALL: usize = 16;
    if entries.len() <= SMALL {
        return entries.iter().enumerate().any(|(at, entry)| {
            let key = entry.key.text();
            key.is_some() && entries[..at].iter().any(|earlier| earlier.key.text() == key)
        });
    }
    let mut seen = HashSet::with_capacity(entries.len());
    entries.iter().filter_map(|entry| entry.key.text()).any(|key| !seen.insert(key))
}
