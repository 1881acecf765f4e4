use sluice_source::{Kind, Node};

/// Characters of a condition that a sentence quotes.
const LONGEST: usize = 160;

/// A node on one line, for sentences: `and: [true, equal: [main, x]]`.
pub(crate) fn flow(node: &Node) -> String {
    let mut text = String::new();
    write(node, &mut text);
    if text.chars().count() > LONGEST {
        text = text.chars().take(LONGEST).chain(['…']).collect();
    }
    text
}

fn write(node: &Node, into: &mut String) {
    if into.len() > LONGEST * 4 {
        return;
    }
    match &node.kind {
        Kind::Scalar(scalar) if scalar.text.is_empty() => into.push_str("\"\""),
        Kind::Scalar(scalar) => {
            for (index, word) in scalar.text.split_whitespace().enumerate() {
                into.push_str(if index == 0 { "" } else { " " });
                into.push_str(word);
            }
        }
        Kind::Sequence(items) => {
            into.push('[');
            for (index, item) in items.iter().enumerate() {
                into.push_str(if index == 0 { "" } else { ", " });
                write(item, into);
            }
            into.push(']');
        }
        Kind::Mapping(entries) => {
            for (index, entry) in entries.iter().enumerate() {
                into.push_str(if index == 0 { "" } else { ", " });
                write(&entry.key, into);
                into.push_str(": ");
                write(&entry.value, into);
            }
        }
    }
}
