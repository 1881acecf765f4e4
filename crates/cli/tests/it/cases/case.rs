//! The format of a case: `tests/cases/README.md` says it in words.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sluice_source::{Kind, Node, Resolved};

/// One file below `tests/cases`.
pub struct Case {
    /// `github/env-layers`
    pub name: String,
    /// Where the pipeline goes in the repository.
    pub pipeline_path: &'static str,
    pub pipeline: String,
    /// In the file's order, all in one repository.
    pub calls: Vec<Call>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Runner {
    Host,
    Docker,
}

/// One call of `sluice run`, and what its author sees.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Call {
    /// What the case shows, in one sentence.
    pub about: String,
    pub only: Option<Runner>,
    pub files: BTreeMap<String, String>,
    pub workflow: Option<String>,
    pub job: Option<String>,
    pub event: Option<String>,
    #[serde(rename = "ref")]
    pub git_ref: Option<String>,
    pub base: Option<String>,
    pub changed: Vec<String>,
    pub payload: Option<serde_json::Value>,
    pub inputs: BTreeMap<String, String>,
    pub secrets: BTreeMap<String, String>,
    pub secret_file: Option<String>,
    pub vars: BTreeMap<String, String>,
    pub approve: Option<String>,
    pub jobs: Option<u32>,
    pub signal: Option<Signal>,
    pub expect: Expect,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signal {
    /// `job | line`
    pub after: String,
    /// `INT` or `TERM`
    pub send: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    pub exit: Option<i32>,
    /// Of the only run.
    pub run: Option<String>,
    /// By workflow, where several run, or none.
    pub runs: Option<BTreeMap<String, String>>,
    pub jobs: Option<BTreeMap<String, String>>,
    pub steps: BTreeMap<String, Vec<BTreeMap<String, String>>>,
    pub log: BTreeMap<String, Vec<String>>,
    pub output: BTreeMap<String, BTreeMap<String, String>>,
    pub order: Vec<String>,
    pub absent: Vec<String>,
    pub nowhere: Vec<String>,
    pub outputs: BTreeMap<String, BTreeMap<String, String>>,
    pub annotations: BTreeMap<String, Vec<String>>,
    pub artifacts: BTreeMap<String, Vec<String>>,
    pub tests: BTreeMap<String, String>,
    pub problem: BTreeMap<String, String>,
    pub says: Vec<String>,
}

impl Case {
    /// Reads a file below `root`. What is wrong with it comes as `path:line: why`.
    pub fn read(root: &Path, path: &Path) -> Result<Self, String> {
        let shown = path.strip_prefix(root).unwrap_or(path).with_extension("").display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| format!("{shown}: {error}"))?;
        Self::parse(&shown, &text)
    }

    pub fn parse(name: &str, text: &str) -> Result<Self, String> {
        let pipeline_path = match name.split('/').next() {
            Some("github") => ".github/workflows/ci.yml",
            Some("circleci") => ".circleci/config.yml",
            _ => return Err(format!("{name}: cases stand in github/ or circleci/")),
        };
        let mut documents = documents(text).into_iter();
        let (_, pipeline) = documents.next().unwrap_or_default();
        let calls: Vec<Call> = documents
            .map(|(line, document)| parse_call(document).map_err(|error| format!("{name}:{line}: {error}")))
            .collect::<Result<_, _>>()?;
        match calls.first() {
            None => return Err(format!("{name}: no second document says what is expected")),
            Some(first) if first.about.is_empty() => {
                return Err(format!("{name}: `about` says in a sentence what the case shows"));
            }
            Some(_) => {}
        }
        Ok(Self { name: name.to_owned(), pipeline_path, pipeline: pipeline.to_owned(), calls })
    }

    pub fn runs_on(&self, runner: Runner) -> bool {
        self.calls.iter().all(|call| call.only.is_none_or(|only| only == runner))
    }
}

/// The texts between lines of `---`, each with the number of its first line.
fn documents(text: &str) -> Vec<(usize, &str)> {
    let (mut found, mut begin, mut first_line, mut at) = (Vec::new(), 0, 1, 0);
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        if line.trim_end() == "---" {
            found.push((first_line, &text[begin..at]));
            (begin, first_line) = (at + line.len(), number + 1);
        }
        at += line.len();
    }
    found.push((first_line, &text[begin..]));
    found
}

fn parse_call(text: &str) -> Result<Call, String> {
    let loaded = sluice_source::load("", text, &sluice_source::Options::default());
    let node = loaded.single().map_err(|wrong| {
        let wrong: Vec<_> =
            wrong.iter().map(|one| format!("+{}: {}", one.location.line, one.message)).collect();
        wrong.join("; ")
    })?;
    let value = node.as_ref().map_or(serde_json::Value::Null, json);
    let call: Call = serde_json::from_value(value).map_err(|error| error.to_string())?;
    if call.expect.exit.is_none() {
        return Err("`expect: { exit: … }` says how `sluice run` ends".to_owned());
    }
    if !call.expect.says_more_than_exit() {
        return Err("nothing is expected beside the exit code".to_owned());
    }
    if let Some(event) = call.expect.order.iter().find(|event| !super::record::is_moment(event)) {
        return Err(format!("order: `{event}` is none of `JOB starts`, `JOB ends` and `JOB | line`"));
    }
    Ok(call)
}

impl Expect {
    fn says_more_than_exit(&self) -> bool {
        let Self {
            exit: _,
            run,
            runs,
            jobs,
            steps,
            log,
            output,
            order,
            absent,
            nowhere,
            outputs,
            annotations,
            artifacts,
            tests,
            problem,
            says,
        } = self;
        run.is_some()
            || runs.is_some()
            || jobs.is_some()
            || ![
                steps.is_empty(),
                log.is_empty(),
                output.is_empty(),
                outputs.is_empty(),
                annotations.is_empty(),
            ]
            .iter()
            .all(|is_empty| *is_empty)
            || ![artifacts.is_empty(), tests.is_empty(), problem.is_empty()].iter().all(|is_empty| *is_empty)
            || [order, absent, nowhere, says].iter().any(|list| !list.is_empty())
    }
}

/// YAML's core schema: numbers stay numbers, so that a text that looks like one has to be quoted.
fn json(node: &Node) -> serde_json::Value {
    use serde_json::Value;
    match &node.kind {
        Kind::Sequence(items) => items.iter().map(json).collect(),
        Kind::Mapping(entries) => Value::Object(
            entries
                .iter()
                .map(|entry| (entry.key.text().unwrap_or_default().to_owned(), json(&entry.value)))
                .collect(),
        ),
        Kind::Scalar(_) => match sluice_source::resolve(node) {
            None | Some(Resolved::Null) => Value::Null,
            Some(Resolved::Bool(it)) => it.into(),
            Some(Resolved::Int(it)) => it.into(),
            Some(Resolved::Float(it)) => it.into(),
            Some(Resolved::String(it)) => it.into(),
        },
    }
}

/// All cases below `root` whose name contains `wanted`, in the order of their names.
pub fn all(root: &Path, wanted: &str) -> Vec<Result<Case, String>> {
    let mut paths: Vec<PathBuf> = ["github", "circleci"]
        .iter()
        .flat_map(|dialect| std::fs::read_dir(root.join(dialect)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yml"))
        .filter(|path| path.to_string_lossy().contains(wanted))
        .collect();
    paths.sort();
    paths.iter().map(|path| Case::read(root, path)).collect()
}

#[cfg(test)]
mod tests {
    use super::Case;

    fn wrong(text: &str) -> String {
        Case::parse("github/x", text).err().unwrap_or_else(|| panic!("was taken: {text}"))
    }

    #[test]
    fn a_case_that_would_assert_nothing_is_wrong() {
        assert!(wrong("on: push\n").contains("no second document"));
        assert!(wrong("on: push\n---\nabout: it\n").contains("`expect: { exit: … }`"));
        assert!(wrong("on: push\n---\nabout: it\nexpect: { exit: 0 }\n").contains("nothing is expected"));
        assert!(wrong("on: push\n---\nexpect: { exit: 0, run: success }\n").contains("about"));
    }

    #[test]
    fn a_word_that_the_format_does_not_have_is_wrong() {
        let unknown = wrong("on: push\n---\nabout: it\nexpct: {}\n");
        assert!(unknown.starts_with("github/x:3: unknown field `expct`"), "{unknown}");
        assert!(wrong("on: push\n---\nabout: it\nexpect: { exit: 0, lines: [] }\n").contains("`lines`"));
        let order = "on: push\n---\nabout: it\nexpect: { exit: 0, order: [a began] }\n";
        assert!(wrong(order).contains("`a began` is none of"));
        assert!(Case::parse("gitlab/x", "a\n---\nabout: it\n").is_err());
    }
}
