//! Branch and tag filters: exact names, or `/regular expressions/` that match the whole name.

use std::collections::HashMap;

use fancy_regex::{Regex, RegexBuilder};
use sluice_source::{Kind, Node};

/// Steps of backtracking that one match may take; a pattern that needs more does not match.
const BACKTRACK_LIMIT: usize = 200_000;
const LONGEST_PATTERN_BYTES: usize = 4_096;
/// Of one pattern, compiled.
const COMPILED_BYTES: usize = 256 << 10;
/// Different patterns in one config.
const MOST_PATTERNS: usize = 500;
/// Branch and tag names beyond this match nothing; git itself refuses them.
const LONGEST_NAME_BYTES: usize = 4_096;

/// A Java regular expression that has to match the whole text.
#[derive(Debug, Clone)]
pub(crate) struct WholePattern(Regex);

impl WholePattern {
    /// The error is a sentence for a person.
    pub(crate) fn new(pattern: &str) -> Result<Self, String> {
        if pattern.len() > LONGEST_PATTERN_BYTES {
            return Err(format!(
                "a pattern may have {LONGEST_PATTERN_BYTES} bytes, and this has {}",
                pattern.len()
            ));
        }
        let build = |pattern: &str| {
            let mut builder = RegexBuilder::new(pattern);
            builder.backtrack_limit(BACKTRACK_LIMIT).delegate_size_limit(COMPILED_BYTES).build()
        };
        // The pattern alone tells of an error by its own positions.
        build(&format!(r"\A(?:{pattern})\z"))
            .or_else(|error| build(pattern).and(Err(error)))
            .map(Self)
            .map_err(|error| format!("`{pattern}` is not a regular expression: {error}"))
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        text.len() <= LONGEST_NAME_BYTES && self.0.is_match(text).unwrap_or(false)
    }
}

/// Patterns that were compiled already: a config says `/.*/` a hundred times.
#[derive(Debug, Default)]
pub(crate) struct Patterns(HashMap<String, Result<WholePattern, String>>);

impl Patterns {
    /// The error is a sentence for a person.
    pub(crate) fn get(&mut self, pattern: &str) -> Result<WholePattern, String> {
        if let Some(known) = self.0.get(pattern) {
            return known.clone();
        }
        if self.0.len() >= MOST_PATTERNS {
            return Err(format!(
                "a config may have {MOST_PATTERNS} different patterns, and this one has more"
            ));
        }
        let compiled = WholePattern::new(pattern);
        self.0.insert(pattern.to_owned(), compiled.clone());
        compiled
    }
}

/// `master`, or `/release-.*/`.
#[derive(Debug, Clone)]
struct Name {
    written: String,
    pattern: Option<WholePattern>,
}

impl Name {
    fn new(written: &str, patterns: &mut Patterns) -> Result<Self, String> {
        let inner = written.strip_prefix('/').and_then(|rest| rest.strip_suffix('/'));
        let pattern = inner.map(|inner| patterns.get(inner)).transpose()?;
        Ok(Self { written: written.to_owned(), pattern })
    }

    fn matches(&self, name: &str) -> bool {
        match &self.pattern {
            Some(pattern) => pattern.matches(name),
            None => self.written == name,
        }
    }
}

/// `only` and `ignore` of `branches:` or `tags:`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules {
    only: Option<Vec<Name>>,
    ignore: Option<Vec<Name>>,
}

impl Rules {
    /// The error comes with the node that it is about.
    pub(crate) fn read(node: &Node, patterns: &mut Patterns) -> Result<Self, (Node, String)> {
        let mut names = |key: &str| -> Result<Option<Vec<Name>>, (Node, String)> {
            match node.get(key) {
                Some(value) if !value.is_null() => read_names(value, patterns).map(Some),
                _ => Ok(None),
            }
        };
        match &node.kind {
            Kind::Mapping(_) => Ok(Self { only: names("only")?, ignore: names("ignore")? }),
            _ if node.is_null() => Ok(Self::default()),
            _ => Err((
                node.clone(),
                format!("expected a map with `only` or `ignore`, and this is {}", node.describe()),
            )),
        }
    }

    fn is_empty(&self) -> bool {
        self.only.is_none() && self.ignore.is_none()
    }

    /// Why the rules leave `name` out; none when they let it in. `only` is considered before `ignore`.
    fn excludes(&self, key: &str, name: &str) -> Option<String> {
        if let Some(only) = &self.only
            && !only.iter().any(|candidate| candidate.matches(name))
        {
            return Some(format!("`{key}: only: {}` does not match `{name}`", shown(only)));
        }
        let ignored = self.ignore.iter().flatten().find(|candidate| candidate.matches(name))?;
        Some(format!("`{key}: ignore: {}` matches `{name}`", ignored.written))
    }

    /// As [`Rules::excludes`] for a schedule, where `ignore` has no effect beside `only`.
    pub(crate) fn excludes_schedule(&self, branch: &str) -> Option<String> {
        let only = Self { only: self.only.clone(), ignore: None };
        if self.only.is_some() {
            only.excludes("branches", branch)
        } else {
            self.excludes("branches", branch)
        }
    }
}

fn read_names(node: &Node, patterns: &mut Patterns) -> Result<Vec<Name>, (Node, String)> {
    let mut read = |item: &Node| match item.text() {
        Some(text) => Name::new(text, patterns).map_err(|message| (item.clone(), message)),
        None => {
            Err((item.clone(), format!("expected a name or a /pattern/, and this is {}", item.describe())))
        }
    };
    match &node.kind {
        Kind::Sequence(items) => items.iter().map(read).collect(),
        _ => read(node).map(|name| vec![name]),
    }
}

fn shown(names: &[Name]) -> String {
    match names {
        [one] => one.written.clone(),
        many => format!("[{}]", many.iter().map(|name| name.written.as_str()).collect::<Vec<_>>().join(", ")),
    }
}

/// `filters:` of a job in a workflow.
#[derive(Debug, Clone)]
pub(crate) enum Filters {
    Names {
        branches: Rules,
        tags: Rules,
    },
    /// `filters: pipeline.git.branch == "main"`, which is decided when the config is read.
    Decided {
        holds: bool,
        written: String,
    },
}

impl Default for Filters {
    fn default() -> Self {
        Self::Names { branches: Rules::default(), tags: Rules::default() }
    }
}

impl Filters {
    /// Why the job is left out for this branch or tag; none when it runs.
    ///
    /// A tag needs a `tags` filter that lets it in; a branch needs nothing.
    pub(crate) fn excludes(&self, branch: Option<&str>, tag: Option<&str>) -> Option<String> {
        match (self, tag) {
            (Self::Decided { holds: true, .. }, _) => None,
            (Self::Decided { holds: false, written }, _) => {
                Some(format!("`filters: {written}` does not hold"))
            }
            (Self::Names { tags, .. }, Some(tag)) if tags.is_empty() => {
                Some(format!("`{tag}` is a tag, and only jobs with `filters: tags` run for tags"))
            }
            (Self::Names { tags, .. }, Some(tag)) => tags.excludes("tags", tag),
            (Self::Names { branches, .. }, None) => {
                branch.and_then(|branch| branches.excludes("branches", branch))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(yaml: &str, branch: Option<&str>, tag: Option<&str>) -> String {
        let node = sluice_source::load("f", yaml, &Default::default()).documents.remove(0);
        let mut patterns = Patterns::default();
        let mut rules =
            |key| node.get(key).map_or(Ok(Rules::default()), |node| Rules::read(node, &mut patterns));
        match (rules("branches"), rules("tags")) {
            (Ok(branches), Ok(tags)) => {
                Filters::Names { branches, tags }.excludes(branch, tag).unwrap_or_else(|| "runs".to_owned())
            }
            (Err((_, message)), _) | (_, Err((_, message))) => message,
        }
    }

    #[test]
    fn branches_and_tags() {
        let branch = |yaml, name| verdict(yaml, Some(name), None);
        let tag = |yaml, name| verdict(yaml, None, Some(name));
        assert_eq!(branch("{}", "x"), "runs");
        assert_eq!(branch("branches: {only: master}", "master"), "runs");
        assert_eq!(branch("branches: {only: master}", "x"), "`branches: only: master` does not match `x`");
        assert_eq!(
            branch("branches: {only: [master, /v.*/]}", "x"),
            "`branches: only: [master, /v.*/]` does not match `x`"
        );
        assert_eq!(branch(r"branches: {only: '/server\/.*/'}", "server/x"), "runs");
        assert_eq!(
            branch("branches: {only: /master/}", "master2"),
            "`branches: only: /master/` does not match `master2`"
        );
        assert_eq!(branch("branches: {ignore: [a, /^(?!b).*$/]}", "b"), "runs");
        assert_eq!(
            branch("branches: {ignore: /^(?!b).*$/}", "c"),
            "`branches: ignore: /^(?!b).*$/` matches `c`"
        );
        assert_eq!(branch("branches: {only: /.*/, ignore: x}", "x"), "`branches: ignore: x` matches `x`");
        assert_eq!(branch("tags: {only: /.*/}", "x"), "runs");
        assert_eq!(
            tag("branches: {only: /.*/}", "v1"),
            "`v1` is a tag, and only jobs with `filters: tags` run for tags"
        );
        assert_eq!(tag("{branches: {ignore: /.*/}, tags: {only: /v.*/}}", "v1"), "runs");
        assert_eq!(tag("tags: {ignore: v1}", "v1"), "`tags: ignore: v1` matches `v1`");
        assert!(branch("branches: {only: '/(/'}", "x").contains("is not a regular expression"));
        assert!(branch("branches: master", "x").contains("expected a map with `only` or `ignore`"));
    }

    #[test]
    fn a_pattern_that_explodes_does_not_match_and_does_not_hang() {
        let pattern = WholePattern::new(r"(?=(a+)+b)(a+)+\1c").unwrap();
        assert!(!pattern.matches(&"a".repeat(2_000)));
        assert!(WholePattern::new(&"a".repeat(5_000)).is_err());
    }
}
