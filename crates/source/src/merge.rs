use std::collections::HashSet;

use crate::{Diagnostic, Entry, Kind, Node};

/// The entries of a mapping with those of its `<<` keys in place of them (YAML 1.1's merge type).
///
/// A key that stands in the mapping itself wins over a merged one, and an earlier merged one over a later one. Entries
/// keep their own places. Fails where the value of `<<` is not a map or a list of maps.
pub fn merge_entries(path: &str, entries: &[Entry]) -> Result<Vec<Entry>, Diagnostic> {
    let own: HashSet<&str> =
        entries.iter().filter(|entry| !is_merge(entry)).filter_map(|entry| entry.key.text()).collect();
    let mut seen = HashSet::new();
    let mut merged = Vec::with_capacity(entries.len());
    for entry in entries {
        if !is_merge(entry) {
            merged.push(entry.clone());
            continue;
        }
        for source in sources(path, &entry.value)? {
            for inherited in source {
                let is_new = match inherited.key.text() {
                    Some(text) => !own.contains(text) && seen.insert(text),
                    None => true,
                };
                if is_new {
                    merged.push(inherited.clone());
                }
            }
        }
    }
    Ok(merged)
}

/// A plain `<<`; a quoted one is a key like any other.
pub(crate) fn is_merge(entry: &Entry) -> bool {
    entry.key.as_scalar().is_some_and(|key| key.is_plain() && &*key.text == "<<")
}

fn sources<'a>(path: &str, value: &'a Node) -> Result<Vec<&'a [Entry]>, Diagnostic> {
    let refused = |node: &Node| {
        let place = node.place();
        Diagnostic::error(
            "yaml/merge-key",
            place.at(path),
            place.length(),
            format!("`<<` merges a map or a list of maps, and this is {}", node.describe()),
        )
    };
    match &value.kind {
        Kind::Mapping(entries) => Ok(vec![entries]),
        Kind::Sequence(items) => {
            items.iter().map(|item| item.entries().ok_or_else(|| refused(item))).collect()
        }
        Kind::Scalar(_) => Err(refused(value)),
    }
}
