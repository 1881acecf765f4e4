//! Whether a call ended as its case says; each difference in words.

use std::collections::BTreeMap;
use std::path::Path;

use super::case::Expect;
use super::record::{Job, Record};

/// What is not as expected; nothing where all is. `state` is the folder that Sluice keeps everything in.
pub fn differences(expect: &Expect, record: &Record, state: &Path) -> Vec<String> {
    let mut found = Findings { record, found: Vec::new() };
    if Some(record.exit) != expect.exit {
        found.say(format!("exit code {}, not {}", record.exit, expect.exit.unwrap_or_default()));
    }
    found.runs(expect);
    if let Some(jobs) = &expect.jobs {
        let ended = record.jobs.iter().map(|(name, job)| (name.clone(), job.conclusion.clone())).collect();
        found.same("jobs", jobs, &ended);
    }
    found.jobs(expect);
    found.order(&expect.order);
    found.words(expect);
    found.nowhere(&expect.nowhere, state);
    if !found.found.is_empty() && record.jobs.is_empty() {
        found.say(format!("it said:\n{}{}", record.stdout, record.stderr));
    }
    found.found
}

struct Findings<'a> {
    record: &'a Record,
    found: Vec<String>,
}

impl Findings<'_> {
    fn say(&mut self, difference: String) {
        self.found.push(difference);
    }

    fn runs(&mut self, expect: &Expect) {
        let runs: BTreeMap<_, _> = self.record.runs.iter().cloned().collect();
        if let Some(wanted) = &expect.runs {
            self.same("runs", wanted, &runs);
        }
        if let Some(wanted) = &expect.run {
            let conclusions: Vec<_> = self.record.runs.iter().map(|(_, conclusion)| conclusion).collect();
            if conclusions != [wanted] {
                self.say(format!("run: {wanted} was expected, and there is {conclusions:?}"));
            }
        }
    }

    fn same(&mut self, what: &str, wanted: &BTreeMap<String, String>, is: &BTreeMap<String, String>) {
        for (key, value) in wanted {
            match is.get(key) {
                None => self.say(format!("{what}: `{key}` is missing; there is {:?}", is.keys())),
                Some(other) if other != value => {
                    self.say(format!("{what}: `{key}`\n  - {value:?}\n  + {other:?}"));
                }
                Some(_) => {}
            }
        }
        for key in is.keys().filter(|key| !wanted.contains_key(*key)) {
            self.say(format!("{what}: `{key}` was not expected"));
        }
    }

    fn jobs(&mut self, expect: &Expect) {
        let Expect { steps, log, output, outputs, annotations, artifacts, tests, problem, .. } = expect;
        self.each(steps, |job, wanted| {
            let is: Vec<_> = job.steps.iter().map(|step| format!("{}: {}", step.name, step.end)).collect();
            let wanted = wanted.iter().flatten().map(|(name, end)| format!("{name}: {end}"));
            in_order(wanted, is.iter().map(String::as_str))
        });
        self.each(log, |job, wanted| in_order(wanted.iter().cloned(), job.lines()));
        self.each(output, |job, wanted| {
            wanted.iter().find_map(|(name, text)| {
                let mut steps = job.steps.iter().filter(|step| step.name == *name);
                match (steps.next(), steps.next()) {
                    (None, _) => Some(format!("there is no step `{name}`")),
                    (Some(_), Some(_)) => Some(format!("several steps are called `{name}`")),
                    (Some(step), None) => whole(name, text, step.output()),
                }
            })
        });
        self.each(outputs, |job, wanted| {
            (job.outputs != *wanted).then(|| format!("outputs\n  - {wanted:?}\n  + {:?}", job.outputs))
        });
        self.each(annotations, |job, wanted| exactly("annotations", wanted, &job.annotations));
        self.each(artifacts, |job, wanted| exactly("artifacts", wanted, &job.artifacts));
        self.each(tests, |job, wanted| exactly("tests", std::slice::from_ref(wanted), &job.tests));
        self.each(problem, |job, wanted| {
            (!job.problem.contains(wanted.as_str()))
                .then(|| format!("problem\n  - …{wanted}…\n  + {}", job.problem))
        });
    }

    /// One look at each job that `wanted` names.
    fn each<T>(&mut self, wanted: &BTreeMap<String, T>, look: impl Fn(&Job, &T) -> Option<String>) {
        for (name, wanted) in wanted {
            match self.record.jobs.get(name) {
                None => {
                    self.say(format!("there is no job `{name}`: {:?}", self.record.jobs.keys()));
                }
                Some(job) => {
                    if let Some(difference) = look(job, wanted) {
                        let log = indented(&self.record.log_of(name));
                        self.say(format!("{name}: {difference}\n{log}"));
                    }
                }
            }
        }
    }

    fn order(&mut self, wanted: &[String]) {
        let moments = self.record.moments.iter().map(String::as_str);
        if let Some(difference) = in_order(wanted.iter().cloned(), moments) {
            self.say(format!("order: {difference}\n{}", indented(&self.record.moments.join("\n"))));
        }
    }

    fn words(&mut self, expect: &Expect) {
        let Record { stdout, stderr, .. } = self.record;
        for text in &expect.says {
            if !stdout.contains(text) && !stderr.contains(text) {
                self.say(format!("`{text}` is not said:\n{stdout}{stderr}"));
            }
        }
        for text in &expect.absent {
            for (name, job) in &self.record.jobs {
                let annotated = job.annotations.iter().map(String::as_str);
                let outputs = job.outputs.values().map(String::as_str);
                if let Some(line) =
                    job.lines().chain(annotated).chain(outputs).find(|line| line.contains(text))
                {
                    self.say(format!("{name}: `{text}` must not be there, and is in: {line}"));
                }
            }
        }
    }

    fn nowhere(&mut self, texts: &[String], state: &Path) {
        let said = [("stdout", &self.record.stdout), ("stderr", &self.record.stderr)];
        let mut places: Vec<(String, Vec<u8>)> =
            said.map(|(name, text)| (name.to_owned(), text.clone().into_bytes())).into();
        match state.is_dir() {
            true if !texts.is_empty() => files(state, &mut places),
            false if !texts.is_empty() => self.say("nothing was kept that could be looked into".to_owned()),
            _ => {}
        }
        for text in texts {
            for (place, bytes) in &places {
                if place.contains(text) || contains(bytes, text.as_bytes()) {
                    self.say(format!("`{text}` must be nowhere, and is in {place}"));
                }
            }
        }
    }
}

/// Every file below `folder`, with what is in it.
pub fn files(folder: &Path, into: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_symlink() {
            let target = std::fs::read_link(&path).unwrap();
            into.push((path.display().to_string(), target.display().to_string().into_bytes()));
        } else if path.is_dir() {
            files(&path, into);
        } else {
            into.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
}

pub fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// The first of `wanted` that does not come, after those before it.
fn in_order<'a>(
    wanted: impl Iterator<Item = String>,
    mut is: impl Iterator<Item = &'a str>,
) -> Option<String> {
    let mut after = "the beginning".to_owned();
    for line in wanted {
        if !is.any(|other| matches(&line, other)) {
            return Some(format!("after {after} there is no\n  - {line}"));
        }
        after = format!("`{line}`");
    }
    None
}

fn exactly(what: &str, wanted: &[String], is: &[String]) -> Option<String> {
    let same = wanted.len() == is.len() && wanted.iter().zip(is).all(|(wanted, is)| matches(wanted, is));
    (!same).then(|| format!("{what}\n  - {wanted:?}\n  + {is:?}"))
}

fn whole(name: &str, wanted: &str, is: &str) -> Option<String> {
    let wanted: Vec<_> = wanted.lines().map(str::to_owned).collect();
    let is: Vec<_> = is.lines().map(str::to_owned).collect();
    exactly(&format!("output of `{name}`"), &wanted, &is)
}

/// `[..]` stands for any text.
pub fn matches(wanted: &str, is: &str) -> bool {
    let mut parts = wanted.split("[..]");
    let Some(mut rest) = is.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    false
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::{in_order, matches};

    #[test]
    fn a_gap_stands_for_any_text_of_a_line() {
        for (wanted, is) in
            [("a", "a"), ("[..]", ""), ("a[..]", "abc"), ("[..]c", "abc"), ("a[..]b[..]c", "a1b2c")]
        {
            assert!(matches(wanted, is), "{wanted} {is}");
        }
        for (wanted, is) in [("a", "ab"), ("a[..]b", "b"), ("ab[..]b", "ab"), ("a[..]b[..]c", "acb")] {
            assert!(!matches(wanted, is), "{wanted} {is}");
        }
    }

    #[test]
    fn lines_have_to_come_in_their_order() {
        let wanted = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
        assert_eq!(in_order(wanted(&["a", "c"]).into_iter(), ["a", "b", "c"].into_iter()), None);
        assert!(in_order(wanted(&["c", "a"]).into_iter(), ["a", "b", "c"].into_iter()).is_some());
        assert!(in_order(wanted(&["a", "a"]).into_iter(), ["a", "b"].into_iter()).is_some());
    }
}
