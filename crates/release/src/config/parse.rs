use std::collections::BTreeMap;

use sluice_source::{Diagnostic, DuplicateKeys, Limits, Location, MergeKeys, Node, Options, load};

use super::environment::environments;
use super::keys::{KINDS, ON, RELEASE, ROOT, TARGET};
use super::reader::{Map, Reader};
use super::registry::{Registry, registry};
use super::service::services;
use super::words::{is_name, is_pattern};
use crate::{Config, ReleaseRule, Target};

/// Where the file lies in a repository.
pub const FILE_NAME: &str = "sluice.yaml";

pub(crate) const MAX_SIZE_BYTES: usize = 1 << 20;
const MAX_TARGETS: usize = 50;
const MAX_PATTERNS: usize = 100;

/// A read `sluice.yaml`.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// None where there is an error among the diagnostics.
    pub config: Option<Config>,
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads a `sluice.yaml`: every key typed and with its default, an unknown one an error with a suggestion.
///
/// `path` is what diagnostics call the file.
pub fn parse(path: &str, text: &str) -> Parsed {
    let limits = Limits { size_bytes: MAX_SIZE_BYTES, depth: 20, nodes: 50_000, expanded_nodes: 50_000 };
    let options =
        Options { limits, duplicate_keys: DuplicateKeys::Report, merge_keys: MergeKeys::Apply, file: 0 };
    let mut loaded = load(path, text, &options);
    if let [_, second, ..] = loaded.documents.as_slice() {
        let place = second.place();
        let message = "the file has a second document; only one is read";
        let second = Diagnostic::error("sluice-yaml/two-documents", place.at(path), 0, message);
        loaded.diagnostics.push(second);
    }
    match loaded.single() {
        Ok(Some(root)) => {
            let mut reader = Reader { path, diagnostics: Vec::new() };
            let config = root_of(&mut reader, &root);
            // As the file has them: services are read before environments wherever they stand.
            reader.diagnostics.sort_by(|a, b| a.location.cmp(&b.location));
            let is_sound = !reader.diagnostics.iter().any(Diagnostic::is_error);
            Parsed { config: config.filter(|_| is_sound), diagnostics: reader.diagnostics }
        }
        Ok(None) => {
            let place = Location { path: path.to_owned(), line: 1, column: 1 };
            let empty = Diagnostic::error("sluice-yaml/empty", place, 0, "the file is empty")
                .with_help("name at least one service and one environment");
            Parsed { config: None, diagnostics: vec![empty] }
        }
        Err(diagnostics) => Parsed { config: None, diagnostics },
    }
}

fn root_of(reader: &mut Reader<'_>, node: &Node) -> Option<Config> {
    let root = reader.map(node, "", ROOT)?;
    let name = reader.text(&root, "name");
    let release = release_rule(reader, &root);
    let services = services(reader, &root);
    let targets = targets(reader, &root);
    let environments = environments(reader, &root, &services, &targets);
    let Registry { retention, follow } = registry(reader, &root);
    Some(Config { name, release, services, environments, targets, retention, follow })
}

fn release_rule(reader: &mut Reader<'_>, root: &Map<'_>) -> ReleaseRule {
    let mut rule = ReleaseRule { branches: vec!["main".to_owned(), "master".to_owned()], tags: Vec::new() };
    let Some(release) = root.get("release").and_then(|node| reader.map(node, "release", RELEASE)) else {
        return rule;
    };
    let Some(on) = release.get("on").and_then(|node| reader.map(node, "release.on", ON)) else { return rule };
    // Whoever names tags only does not mean the default branches as well.
    if on.get("tags").is_some() {
        rule.branches.clear();
    }
    if let Some(branches) = patterns(reader, &on, "branches") {
        rule.branches = branches;
    }
    if let Some(tags) = patterns(reader, &on, "tags") {
        rule.tags = tags;
    }
    rule
}

fn patterns(reader: &mut Reader<'_>, on: &Map<'_>, key: &str) -> Option<Vec<String>> {
    let patterns = reader.texts(on, key)?;
    let node = on.get(key)?;
    if patterns.len() > MAX_PATTERNS {
        let message = format!("`release.on.{key}` has more than {MAX_PATTERNS} entries");
        reader.error(node, "too-many", message);
    }
    for pattern in patterns.iter().filter(|pattern| !is_pattern(pattern)) {
        let message = format!("`{pattern}` is no pattern of a short name: `*`, `**` and `?` are understood");
        reader.error(node, "wrong-pattern", message);
    }
    Some(patterns)
}

fn targets(reader: &mut Reader<'_>, root: &Map<'_>) -> BTreeMap<String, Target> {
    let mut targets = BTreeMap::from([("local".to_owned(), Target::Auto)]);
    let Some(node) = root.get("targets") else { return targets };
    let expected = "lower-case letters, digits and dashes, at most 63";
    for (name, entry) in reader.named(node, "targets", MAX_TARGETS, is_name, expected) {
        let place = format!("targets.{name}");
        if let Some(kind) = entry.value.get("kind").filter(|kind| kind.text() == Some("kubernetes")) {
            let message = format!("`{place}.kind` is `kubernetes`, which Sluice cannot deploy to yet");
            let help = format!("the kinds are {}", KINDS.join(", "));
            reader.error_with_help(kind, "unsupported-target", message, Some(help));
            targets.insert(name.to_owned(), Target::Auto);
            continue;
        }
        let Some(map) = reader.map(&entry.value, &place, TARGET) else { continue };
        let read = |text: &str| match text {
            "auto" => Some(Target::Auto),
            "docker" => Some(Target::Docker),
            "host" => Some(Target::Host),
            _ => None,
        };
        let expected = format!("one of {}", KINDS.join(", "));
        let target = reader.read(&map, "kind", read, &expected).unwrap_or(Target::Auto);
        targets.insert(name.to_owned(), target);
    }
    targets
}
