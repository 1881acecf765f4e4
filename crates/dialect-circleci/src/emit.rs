//! YAML out of nodes, in the layout that CircleCI printed.

use sluice_source::{Entry, Kind, Node, Resolved, Style, resolve};

use crate::scalar::{Type, boolean};

/// A document. Lists stand at their key's own indentation.
pub(crate) fn emit(node: &Node) -> String {
    let mut text = String::new();
    block(node, 0, &mut text);
    text
}

fn block(node: &Node, indent: usize, into: &mut String) {
    match &node.kind {
        Kind::Mapping(entries) if entries.is_empty() => line(into, indent, "{}"),
        Kind::Sequence(items) if items.is_empty() => line(into, indent, "[]"),
        Kind::Mapping(entries) => {
            for entry in entries.iter() {
                into.push_str(&" ".repeat(indent));
                key_and_value(entry, indent, into);
            }
        }
        Kind::Sequence(items) => {
            for item in items.iter() {
                into.push_str(&" ".repeat(indent));
                into.push_str("- ");
                list_item(item, indent + 2, into);
            }
        }
        Kind::Scalar(_) => {
            scalar(node, indent, into);
            into.push('\n');
        }
    }
}

fn line(into: &mut String, indent: usize, text: &str) {
    into.push_str(&" ".repeat(indent));
    into.push_str(text);
    into.push('\n');
}

/// What follows `- `: a map begins on the same line.
fn list_item(item: &Node, indent: usize, into: &mut String) {
    match &item.kind {
        Kind::Mapping(entries) if !entries.is_empty() => {
            for (index, entry) in entries.iter().enumerate() {
                if index > 0 {
                    into.push_str(&" ".repeat(indent));
                }
                key_and_value(entry, indent, into);
            }
        }
        Kind::Sequence(items) if !items.is_empty() => {
            for (index, inner) in items.iter().enumerate() {
                if index > 0 {
                    into.push_str(&" ".repeat(indent));
                }
                into.push_str("- ");
                list_item(inner, indent + 2, into);
            }
        }
        _ => {
            inline(item, indent, into);
            into.push('\n');
        }
    }
}

fn key_and_value(entry: &Entry, indent: usize, into: &mut String) {
    // A key is on one line, and its text counts, not its type: `on` stays `on`.
    match entry.key.text() {
        Some(text) => into.push_str(&key(text)),
        None => into.push_str(&quoted(&crate::flow::flow(&entry.key))),
    }
    into.push(':');
    match &entry.value.kind {
        Kind::Mapping(entries) if !entries.is_empty() => {
            into.push('\n');
            block(&entry.value, indent + 2, into);
        }
        Kind::Sequence(items) if !items.is_empty() => {
            into.push('\n');
            block(&entry.value, indent, into);
        }
        _ => {
            into.push(' ');
            inline(&entry.value, indent, into);
            into.push('\n');
        }
    }
}

fn inline(node: &Node, indent: usize, into: &mut String) {
    match &node.kind {
        Kind::Mapping(_) => into.push_str("{}"),
        Kind::Sequence(_) => into.push_str("[]"),
        Kind::Scalar(_) => scalar(node, indent, into),
    }
}

fn scalar(node: &Node, indent: usize, into: &mut String) {
    let text = node.text().unwrap_or_default();
    match Type::of(node) {
        Type::Null => into.push_str("null"),
        // `yes` is a boolean for CircleCI, and a string for a reader of YAML 1.2.
        Type::Boolean => into.push_str(if boolean(text) == Some(true) { "true" } else { "false" }),
        Type::Integer | Type::Float => into.push_str(text),
        _ if is_literal_block(text) => literal_block(text, indent, into),
        _ if is_plain_string(text) => into.push_str(text),
        _ => into.push_str(&quoted(text)),
    }
}

fn key(text: &str) -> String {
    if is_plain_string(text) || Type::of_plain(text) == Type::Integer {
        text.to_owned()
    } else {
        quoted(text)
    }
}

/// Text with several lines that a `|` block can hold as it is.
fn is_literal_block(text: &str) -> bool {
    let body = text.trim_end_matches('\n');
    (body.contains('\n') || text.ends_with('\n'))
        && !body.is_empty()
        && !text.starts_with(['\n', ' ', '\t'])
        && text.chars().all(|c| c == '\n' || c == '\t' || is_printable(c))
}

fn literal_block(text: &str, indent: usize, into: &mut String) {
    let body = text.trim_end_matches('\n');
    into.push('|');
    match text.len() - body.len() {
        0 => into.push('-'),
        1 => {}
        _ => into.push('+'),
    }
    for line in body.split('\n') {
        into.push('\n');
        if !line.is_empty() {
            into.push_str(&" ".repeat(indent + 2));
            into.push_str(line);
        }
    }
    for _ in 1..(text.len() - body.len()) {
        into.push('\n');
    }
}

/// Text that every reader of YAML, 1.1 or 1.2, takes for the same string without quotes.
fn is_plain_string(text: &str) -> bool {
    let Some(first) = text.chars().next() else { return false };
    let begins_well =
        first.is_ascii_alphanumeric() || matches!(first, '/' | '.' | '_' | '$' | '~' | '(' | '^' | '+');
    let is_other_type = Type::of_plain(text) != Type::String
        || !matches!(
            resolve(&Node::scalar(text, Style::Plain, Default::default())),
            Some(Resolved::String(_))
        )
        || looks_like_a_number_or_date(text)
        || matches!(text, "y" | "Y" | "n" | "N" | "=" | "<<");
    begins_well
        && !is_other_type
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains(" #")
        && text.chars().all(is_printable)
}

/// `22:22`, `1e3`, `2020-01-01`: a number or a time for one reader of YAML or another.
fn looks_like_a_number_or_date(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '.' | '+'))
        && text.contains(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| {
            c.is_ascii_hexdigit() || matches!(c, ':' | '.' | '_' | '-' | '+' | 'x' | 'o' | 'T' | 'Z' | ' ')
        })
}

fn is_printable(c: char) -> bool {
    matches!(c, ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}' | '\u{10000}'..)
        && !matches!(c, '\u{2028}' | '\u{2029}')
}

/// Single quotes where they can say it, double ones where escapes are needed.
fn quoted(text: &str) -> String {
    if text.chars().all(is_printable) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            c if is_printable(c) => quoted.push(c),
            c if (c as u32) <= 0xff => quoted.push_str(&format!("\\x{:02x}", c as u32)),
            c if (c as u32) <= 0xffff => quoted.push_str(&format!("\\u{:04x}", c as u32)),
            c => quoted.push_str(&format!("\\U{:08x}", c as u32)),
        }
    }
    quoted.push('"');
    quoted
}
