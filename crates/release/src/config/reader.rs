use sluice_source::{Diagnostic, Entry, Node, did_you_mean_text};

use super::keys::Key;

/// Gathers what is wrong with a file while it is read.
pub(crate) struct Reader<'a> {
    pub(crate) path: &'a str,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// A map of the file with the keys that may stand in it.
pub(crate) struct Map<'n> {
    /// `environments.uat`; empty at the root.
    pub(crate) name: String,
    entries: &'n [Entry],
}

impl<'n> Map<'n> {
    pub(crate) fn get(&self, key: &str) -> Option<&'n Node> {
        self.entries.iter().find(|entry| entry.key.text() == Some(key)).map(|entry| &entry.value)
    }
    /// `environments.uat.soak`.
    pub(crate) fn name_of(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }
}

impl Reader<'_> {
    pub(crate) fn error(&mut self, node: &Node, code: &str, message: impl Into<String>) {
        self.error_with_help(node, code, message, None);
    }

    pub(crate) fn error_with_help(
        &mut self,
        node: &Node,
        code: &str,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        let place = node.place();
        let mut diagnostic =
            Diagnostic::error(format!("sluice-yaml/{code}"), place.at(self.path), place.length(), message);
        diagnostic.help.extend(help);
        self.diagnostics.push(diagnostic);
    }

    pub(crate) fn warning(&mut self, node: &Node, code: &str, message: impl Into<String>, help: String) {
        let place = node.place();
        let code = format!("sluice-yaml/{code}");
        let warning = Diagnostic::warning(code, place.at(self.path), place.length(), message);
        self.diagnostics.push(warning.with_help(help));
    }

    fn wrong_form(&mut self, node: &Node, name: &str, expected: &str) {
        let message = match node.text() {
            Some(text) if !node.is_null() => {
                format!("`{name}` is `{}`; {expected} is expected", text.chars().take(80).collect::<String>())
            }
            _ => format!("`{name}` is {}; {expected} is expected", node.describe()),
        };
        self.error(node, "wrong-form", message);
    }

    /// A map with these keys and no other. Nothing at all counts as an empty map.
    pub(crate) fn map<'n>(&mut self, node: &'n Node, name: &str, keys: &[Key]) -> Option<Map<'n>> {
        let entries = self.entries(node, name)?;
        for entry in entries {
            let Some(key) = entry.key.text() else {
                self.error(&entry.key, "wrong-form", format!("a key of `{name}` is not a text"));
                continue;
            };
            if !keys.iter().any(|known| known.name == key) {
                let names = keys.iter().map(|known| known.name);
                let what = if name.is_empty() { String::new() } else { format!(" in `{name}`") };
                let help = did_you_mean_text(key, names.clone()).unwrap_or_else(|| {
                    let all: Vec<String> = names.map(|name| format!("`{name}`")).collect();
                    format!("the keys are {}", all.join(", "))
                });
                let message = format!("unknown key `{}`{what}", key.chars().take(80).collect::<String>());
                self.error_with_help(&entry.key, "unknown-key", message, Some(help));
            }
        }
        Some(Map { name: name.to_owned(), entries })
    }

    /// The entries of a map from free names, at most `most`; names of another form are reported and left out.
    pub(crate) fn named<'n>(
        &mut self,
        node: &'n Node,
        name: &str,
        most: usize,
        is_name: impl Fn(&str) -> bool,
        expected: &str,
    ) -> Vec<(&'n str, &'n Entry)> {
        let entries = self.entries(node, name).unwrap_or_default();
        if entries.len() > most {
            self.error(
                node,
                "too-many",
                format!("`{name}` has {} entries; at most {most} are taken", entries.len()),
            );
            return Vec::new();
        }
        let mut named = Vec::new();
        for entry in entries {
            match entry.key.text() {
                Some(key) if is_name(key) => named.push((key, entry)),
                Some(key) => {
                    let seen: String = key.chars().take(80).collect();
                    self.error(
                        &entry.key,
                        "wrong-name",
                        format!("`{seen}` in `{name}` is no name: {expected}"),
                    );
                }
                None => self.error(&entry.key, "wrong-name", format!("a key of `{name}` is not a text")),
            }
        }
        named
    }

    fn entries<'n>(&mut self, node: &'n Node, name: &str) -> Option<&'n [Entry]> {
        if node.is_null() {
            return Some(&[]);
        }
        let entries = node.entries();
        if entries.is_none() {
            let name = if name.is_empty() { "the file" } else { name };
            self.wrong_form(node, name, "a map");
        }
        entries
    }

    pub(crate) fn text(&mut self, map: &Map<'_>, key: &str) -> Option<String> {
        let node = map.get(key)?;
        match node.text() {
            Some(text) if !node.is_null() && !text.is_empty() => Some(text.to_owned()),
            _ => {
                self.wrong_form(node, &map.name_of(key), "a text");
                None
            }
        }
    }

    pub(crate) fn texts(&mut self, map: &Map<'_>, key: &str) -> Option<Vec<String>> {
        let node = map.get(key)?;
        let name = map.name_of(key);
        let Some(items) = node.items() else {
            self.wrong_form(node, &name, "a list of texts");
            return None;
        };
        let mut texts = Vec::new();
        for item in items {
            match item.text() {
                Some(text) if !item.is_null() && !text.is_empty() => texts.push(text.to_owned()),
                _ => self.wrong_form(item, &name, "a list of texts"),
            }
        }
        Some(texts)
    }

    pub(crate) fn boolean(&mut self, map: &Map<'_>, key: &str, default: bool) -> bool {
        let Some(node) = map.get(key) else { return default };
        match sluice_source::resolve(node) {
            Some(sluice_source::Resolved::Bool(value)) => value,
            _ => {
                self.wrong_form(node, &map.name_of(key), "true or false");
                default
            }
        }
    }

    pub(crate) fn int(&mut self, map: &Map<'_>, key: &str, default: i64, min: i64, max: i64) -> i64 {
        let Some(node) = map.get(key) else { return default };
        match sluice_source::resolve(node) {
            Some(sluice_source::Resolved::Int(value)) if (min..=max).contains(&value) => value,
            _ => {
                self.wrong_form(node, &map.name_of(key), &format!("a whole number from {min} to {max}"));
                default
            }
        }
    }

    /// What `read` makes of a text; `expected` says which texts it takes.
    pub(crate) fn read<T>(
        &mut self,
        map: &Map<'_>,
        key: &str,
        read: impl FnOnce(&str) -> Option<T>,
        expected: &str,
    ) -> Option<T> {
        let node = map.get(key)?;
        let value = node.text().and_then(read);
        if value.is_none() {
            self.wrong_form(node, &map.name_of(key), expected);
        }
        value
    }
}
