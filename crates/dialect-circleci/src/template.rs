//! `<< name >>`: what CircleCI substitutes before anything runs, in the manner of Mustache.

/// A piece of text with `<< >>` in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    Text(String),
    /// `<< parameters.x >>`
    Value(String),
    /// `<<# parameters.x >>…<</ parameters.x >>`; inverted: `<<^ parameters.x >>…`.
    Section {
        name: String,
        is_inverted: bool,
        parts: Vec<Part>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TemplateError {
    /// `<<# x >>` without `<</ x >>`, or the other way round.
    Unbalanced(String),
    TooDeep,
}

/// Sections within sections; nobody needs more than two.
const DEEPEST_SECTION: usize = 20;

/// The whole text is one `<< name >>`: its value keeps its type.
pub(crate) fn only_value(text: &str) -> Option<&str> {
    let (tag, rest) = Tag::at(text)?;
    (rest.is_empty() && tag.kind == TagKind::Value).then_some(tag.name)
}

/// Whether anything in the text is for us: a tag or an escape.
pub(crate) fn has_template(text: &str) -> bool {
    text.contains("<<")
}

pub(crate) fn parse(text: &str) -> Result<Vec<Part>, TemplateError> {
    let mut open: Vec<(String, bool, Vec<Part>)> = Vec::new();
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("<<") {
        if let Some(before) = rest[..at].strip_suffix('\\') {
            literal.push_str(before);
            literal.push_str("<<");
            rest = &rest[at + 2..];
            continue;
        }
        let Some((tag, after)) = Tag::at(&rest[at..]) else {
            literal.push_str(&rest[..at + 2]);
            rest = &rest[at + 2..];
            continue;
        };
        literal.push_str(&rest[..at]);
        rest = after;
        if tag.kind != TagKind::Value {
            rest = without_lone_line(&mut literal, rest, parts.is_empty() && open.is_empty());
        }
        flush(&mut literal, &mut parts);
        match tag.kind {
            TagKind::Value => parts.push(Part::Value(tag.name.to_owned())),
            TagKind::Open { is_inverted } => {
                if open.len() >= DEEPEST_SECTION {
                    return Err(TemplateError::TooDeep);
                }
                open.push((tag.name.to_owned(), is_inverted, std::mem::take(&mut parts)));
            }
            TagKind::Close => match open.pop() {
                Some((name, is_inverted, outer)) if name == tag.name => {
                    let inner = std::mem::replace(&mut parts, outer);
                    parts.push(Part::Section { name, is_inverted, parts: inner });
                }
                _ => return Err(TemplateError::Unbalanced(tag.name.to_owned())),
            },
        }
    }
    if let Some((name, ..)) = open.pop() {
        return Err(TemplateError::Unbalanced(name));
    }
    literal.push_str(rest);
    flush(&mut literal, &mut parts);
    Ok(parts)
}

fn flush(literal: &mut String, parts: &mut Vec<Part>) {
    if !literal.is_empty() {
        parts.push(Part::Text(std::mem::take(literal)));
    }
}

/// A section's tag that has a line to itself takes the line with it (Mustache, "standalone" tags).
fn without_lone_line<'a>(before: &mut String, after: &'a str, is_start: bool) -> &'a str {
    let indent = before.trim_end_matches([' ', '\t']).len();
    let line_begins = before[..indent].ends_with('\n') || (indent == 0 && is_start);
    let trimmed = after.trim_start_matches([' ', '\t']);
    let Some(next_line) = trimmed.strip_prefix('\n').or_else(|| trimmed.is_empty().then_some("")) else {
        return after;
    };
    if !line_begins {
        return after;
    }
    before.truncate(indent);
    next_line
}

struct Tag<'a> {
    kind: TagKind,
    name: &'a str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum TagKind {
    Value,
    Open { is_inverted: bool },
    Close,
}

impl<'a> Tag<'a> {
    /// The tag that the text begins with, and what is behind it. Any other `<<` is a shell's.
    fn at(text: &'a str) -> Option<(Self, &'a str)> {
        let inner = text.strip_prefix("<<")?.trim_start();
        let (kind, inner) = match inner.as_bytes().first()? {
            b'#' => (TagKind::Open { is_inverted: false }, inner[1..].trim_start()),
            b'^' => (TagKind::Open { is_inverted: true }, inner[1..].trim_start()),
            b'/' => (TagKind::Close, inner[1..].trim_start()),
            _ => (TagKind::Value, inner),
        };
        let end = inner
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')))
            .unwrap_or(inner.len());
        let (name, behind) = inner.split_at(end);
        let is_path = ["parameters.", "pipeline.", "matrix."]
            .iter()
            .any(|root| name.len() > root.len() && name.starts_with(root));
        let after = behind.trim_start().strip_prefix(">>")?;
        is_path.then_some((Self { kind, name }, after))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Renders with every name standing for itself and every section on.
    fn shown(text: &str) -> String {
        fn render(parts: &[Part]) -> String {
            parts
                .iter()
                .map(|part| match part {
                    Part::Text(text) => text.clone(),
                    Part::Value(name) => format!("({name})"),
                    Part::Section { name, is_inverted, parts } => {
                        format!("[{}{name}:{}]", if *is_inverted { "!" } else { "" }, render(parts))
                    }
                })
                .collect()
        }
        parse(text).map_or_else(|error| format!("{error:?}"), |parts| render(&parts))
    }

    #[test]
    fn tags_and_what_only_looks_like_one() {
        let cases = [
            ("a << parameters.x >>b", "a (parameters.x)b"),
            ("<<pipeline.git.branch>>", "(pipeline.git.branch)"),
            ("<<\n  matrix.a-b_c \n>>", "(matrix.a-b_c)"),
            ("cat \\<<EOF", "cat <<EOF"),
            ("\\<< parameters.x >>", "<< parameters.x >>"),
            ("cat <<EOF >> file", "cat <<EOF >> file"),
            ("wc <<< \"$x\"", "wc <<< \"$x\""),
            ("<< x", "<< x"),
            ("<<", "<<"),
            ("ls <<# parameters.a >>-a<</ parameters.a >>", "ls [parameters.a:-a]"),
            ("<<^parameters.a>>n<</parameters.a>>", "[!parameters.a:n]"),
            ("x\n  <<# parameters.a >>\ny\n<</ parameters.a >>\nz", "x\n[parameters.a:y\n]z"),
            ("<<# parameters.a >>", "Unbalanced(\"parameters.a\")"),
            ("<</ parameters.a >>", "Unbalanced(\"parameters.a\")"),
        ];
        for (text, expected) in cases {
            assert_eq!(shown(text), expected, "{text}");
        }
        assert_eq!(only_value("<< parameters.x >>"), Some("parameters.x"));
        assert_eq!(only_value("<< parameters.x >> "), None);
        assert_eq!(shown(&"<<#parameters.x>>".repeat(1000)), "TooDeep");
    }
}
