use std::collections::{BTreeMap, BTreeSet};

use fancy_regex::Regex;
use serde::Deserialize;

use super::ecmascript;

/// The largest file of matchers, in bytes.
pub const FILE_LIMIT_BYTES: u64 = 1 << 20;
/// Matchers of one file.
const MOST_MATCHERS: usize = 100;
/// Patterns of one matcher; each is a line of output.
const MOST_PATTERNS: usize = 20;
const LONGEST_PATTERN_BYTES: usize = 8 << 10;

/// What a group of a pattern holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    File,
    Line,
    Column,
    Severity,
    Code,
    Message,
    FromPath,
}

impl Part {
    fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Line => "line",
            Self::Column => "column",
            Self::Severity => "severity",
            Self::Code => "code",
            Self::Message => "message",
            Self::FromPath => "fromPath",
        }
    }
}

/// The parts that were found so far.
pub type Parts = BTreeMap<Part, String>;

/// A problem matcher: one pattern, or several for lines that follow one another.
#[derive(Debug)]
pub struct Matcher {
    pub owner: String,
    /// Where no pattern captures one.
    pub severity: Option<String>,
    pub patterns: Vec<Pattern>,
}

#[derive(Debug)]
pub struct Pattern {
    regex: Regex,
    groups: Vec<(Part, usize)>,
    /// The last of several: it may match line after line below one match of those before it.
    pub loops: bool,
}

/// Why a file of matchers is refused. GitHub's words where it has some.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MatcherError {
    #[error(
        "The file is not JSON of the form {{\"problemMatcher\": [{{\"owner\", \"pattern\": [{{\"regexp\", …}}]}}]}}: {0}"
    )]
    Json(String),
    #[error("Owner must not be empty")]
    NoOwner,
    #[error("Duplicate owner name '{0}'")]
    TwoOwners(String),
    #[error(
        "Matcher '{owner}' contains unexpected default severity '{severity}'; write error, warning or notice"
    )]
    Severity { owner: String, severity: String },
    #[error("Matcher '{0}' does not contain any patterns")]
    NoPatterns(String),
    #[error("Only the last pattern in a multiline matcher may set 'loop'")]
    Loop,
    #[error("The loop pattern must set 'message'")]
    LoopWithoutMessage,
    #[error("The property '{0}' is set twice")]
    SetTwice(&'static str),
    #[error("The property '{part}' is set to {group}, and the pattern has the groups 0 to {last}")]
    NoGroup { part: &'static str, group: i64, last: usize },
    #[error("At least one pattern must set 'message'")]
    NoMessage,
    #[error("Matcher '{owner}': `{pattern}` is not a regular expression that can be run here: {reason}")]
    Regexp { owner: String, pattern: String, reason: String },
    #[error("{what} has {seen}, and may have {most}")]
    TooMuch { what: &'static str, seen: usize, most: usize },
}

#[derive(Deserialize)]
struct FileForm {
    #[serde(rename = "problemMatcher", default)]
    matchers: Option<Vec<MatcherForm>>,
}

#[derive(Deserialize)]
struct MatcherForm {
    owner: Option<String>,
    severity: Option<String>,
    pattern: Option<Vec<PatternForm>>,
}

#[derive(Deserialize)]
struct PatternForm {
    regexp: Option<String>,
    file: Option<i64>,
    line: Option<i64>,
    column: Option<i64>,
    severity: Option<i64>,
    code: Option<i64>,
    message: Option<i64>,
    #[serde(rename = "fromPath")]
    from_path: Option<i64>,
    #[serde(rename = "loop", default)]
    loops: bool,
}

impl Matcher {
    /// Reads a file of matchers (GitHub, ADR 0276; `IssueMatcher.cs` of its runner).
    pub fn read_file(text: &str) -> Result<Vec<Self>, MatcherError> {
        let form = forms(text)?;
        let mut owners = BTreeSet::new();
        let mut matchers = Vec::with_capacity(form.len());
        for form in form {
            let matcher = Self::of(form)?;
            if !owners.insert(matcher.owner.to_lowercase()) {
                return Err(MatcherError::TwoOwners(matcher.owner));
            }
            matchers.push(matcher);
        }
        Ok(matchers)
    }

    /// Only the owners of a file of matchers, which is what removes them again.
    pub fn owners_of_file(text: &str) -> Result<Vec<String>, MatcherError> {
        Ok(forms(text)?.into_iter().filter_map(|form| form.owner).collect())
    }

    pub fn is_of(&self, owner: &str) -> bool {
        self.owner.to_lowercase() == owner.to_lowercase()
    }

    fn of(form: MatcherForm) -> Result<Self, MatcherError> {
        let owner = form.owner.filter(|owner| !owner.is_empty()).ok_or(MatcherError::NoOwner)?;
        let severity = form.severity.filter(|severity| !severity.is_empty());
        if let Some(severity) = &severity
            && !["error", "warning", "notice"].contains(&severity.to_ascii_lowercase().as_str())
        {
            return Err(MatcherError::Severity { owner, severity: severity.clone() });
        }
        let forms = form.pattern.unwrap_or_default();
        if forms.is_empty() {
            return Err(MatcherError::NoPatterns(owner));
        }
        within("a matcher's list of patterns", forms.len(), MOST_PATTERNS)?;
        let last = forms.len() - 1;
        let mut set = BTreeSet::new();
        let mut patterns = Vec::with_capacity(forms.len());
        for (index, form) in forms.into_iter().enumerate() {
            if form.loops && (index == 0 || index != last) {
                return Err(MatcherError::Loop);
            }
            if form.loops && form.message.is_none() {
                return Err(MatcherError::LoopWithoutMessage);
            }
            let pattern = Pattern::of(&owner, form)?;
            for (part, _) in &pattern.groups {
                if !set.insert(*part) {
                    return Err(MatcherError::SetTwice(part.name()));
                }
            }
            patterns.push(pattern);
        }
        if !set.contains(&Part::Message) {
            return Err(MatcherError::NoMessage);
        }
        Ok(Self { owner, severity, patterns })
    }
}

impl Pattern {
    fn of(owner: &str, form: PatternForm) -> Result<Self, MatcherError> {
        let pattern = form.regexp.unwrap_or_default();
        within("a pattern", pattern.len(), LONGEST_PATTERN_BYTES)?;
        let regex = ecmascript::compile(&pattern).map_err(|reason| MatcherError::Regexp {
            owner: owner.to_owned(),
            pattern,
            reason,
        })?;
        let last = regex.captures_len() - 1;
        let given = [
            (Part::File, form.file),
            (Part::Line, form.line),
            (Part::Column, form.column),
            (Part::Severity, form.severity),
            (Part::Code, form.code),
            (Part::Message, form.message),
            (Part::FromPath, form.from_path),
        ];
        let mut groups = Vec::new();
        for (part, group) in given {
            let Some(group) = group else { continue };
            let index = usize::try_from(group).ok().filter(|index| *index <= last);
            let index = index.ok_or(MatcherError::NoGroup { part: part.name(), group, last })?;
            groups.push((part, index));
        }
        Ok(Self { regex, groups, loops: form.loops })
    }

    /// What a line gives, on top of what the lines before it gave. None: it does not match. An error: it took too long.
    pub fn parts(&self, line: &str, before: &Parts) -> Result<Option<Parts>, String> {
        let Some(captures) = self.regex.captures(line).map_err(|error| error.to_string())? else {
            return Ok(None);
        };
        let mut parts = before.clone();
        for (part, group) in &self.groups {
            let text = captures.get(*group).map_or("", |group| group.as_str());
            parts.entry(*part).or_insert_with(|| text.to_owned());
        }
        Ok(Some(parts))
    }
}

fn forms(text: &str) -> Result<Vec<MatcherForm>, MatcherError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let form: FileForm = serde_json::from_str(text).map_err(|error| MatcherError::Json(error.to_string()))?;
    let forms = form.matchers.unwrap_or_default();
    within("a file of problem matchers", forms.len(), MOST_MATCHERS)?;
    Ok(forms)
}

fn within(what: &'static str, seen: usize, most: usize) -> Result<(), MatcherError> {
    if seen > most { Err(MatcherError::TooMuch { what, seen, most }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(matcher: &str) -> String {
        Matcher::read_file(&format!(r#"{{"problemMatcher": [{matcher}]}}"#)).unwrap_err().to_string()
    }

    #[test]
    fn a_file_without_matchers_is_none() {
        for text in ["{}", r#"{"problemMatcher": null}"#, r#"{"$schema": "x", "problemMatcher": []}"#] {
            assert!(Matcher::read_file(text).unwrap().is_empty());
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let pattern = |fields: &str| format!(r#"{{"owner": "x", "pattern": [{fields}]}}"#);
        for (matcher, part) in [
            ("7".to_owned(), "not JSON of the form"),
            (r#"{"pattern": []}"#.to_owned(), "Owner must not be empty"),
            (pattern(""), "'x' does not contain any patterns"),
            (
                r#"{"owner": "x", "severity": "info", "pattern": [{}]}"#.to_owned(),
                "unexpected default severity 'info'",
            ),
            (pattern(r#"{"regexp": "a"}"#), "At least one pattern must set 'message'"),
            (pattern(r#"{"regexp": "(a)", "message": 1, "loop": true}"#), "Only the last pattern"),
            (
                pattern(r#"{"regexp": "(a)", "message": 1}, {"regexp": "b", "loop": true}"#),
                "loop pattern must set 'message'",
            ),
            (
                pattern(r#"{"regexp": "(a)", "message": 1}, {"regexp": "(b)", "message": 1}"#),
                "'message' is set twice",
            ),
            (
                pattern(r#"{"regexp": "(a)", "message": 2}"#),
                "'message' is set to 2, and the pattern has the groups 0 to 1",
            ),
            (pattern(r#"{"regexp": "(a)", "message": -1}"#), "'message' is set to -1"),
            (pattern(r#"{"regexp": "(a", "message": 1}"#), "`(a` is not a regular expression"),
            (
                pattern(&format!(
                    r#"{{"regexp": "{}", "message": 0}}"#,
                    "a".repeat(LONGEST_PATTERN_BYTES + 1)
                )),
                "may have 8192",
            ),
            (pattern(&vec![r#"{"regexp": "a"}"#; MOST_PATTERNS + 1].join(",")), "may have 20"),
        ] {
            assert!(refusal(&matcher).contains(part), "{matcher} gave {}", refusal(&matcher));
        }
        let one = pattern(r#"{"regexp": "a", "message": 0}"#);
        assert!(
            refusal(&format!("{one}, {}", one.replace("\"x\"", "\"X\"")))
                .contains("Duplicate owner name 'X'")
        );
        assert!(refusal(&vec![one; MOST_MATCHERS + 1].join(",")).contains("may have 100"));
    }
}
