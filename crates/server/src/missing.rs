use std::collections::BTreeSet;

use sluice_plan::{Job, Template};

/// The secrets and variables that a job reads and nobody gives it. GitHub makes each an empty text without a word;
/// here the job's log begins with one.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Missing {
    secrets: BTreeSet<String>,
    vars: BTreeSet<String>,
}

impl Missing {
    /// `secrets` and `vars`: the names that there are, compared without case as GitHub does.
    pub(crate) fn of(job: &Job, secrets: &[&str], vars: &[&str]) -> Self {
        let mut missing = Self::default();
        // A job has templates in two dozen places; its stored form has all of them as their source text.
        let Ok(stored) = serde_json::to_value(job) else { return missing };
        missing.walk(&stored);
        let is_there =
            |names: &[&str], name: &String| names.iter().any(|known| known.eq_ignore_ascii_case(name));
        missing.secrets.retain(|name| !is_there(secrets, name) && !name.eq_ignore_ascii_case(OWN_TOKEN));
        missing.vars.retain(|name| !is_there(vars, name));
        missing
    }

    /// `secrets.API_KEY`, `vars.REGION`
    pub(crate) fn names(&self) -> Vec<String> {
        let secrets = self.secrets.iter().map(|name| format!("secrets.{name}"));
        secrets.chain(self.vars.iter().map(|name| format!("vars.{name}"))).collect()
    }

    /// For the top of the job's log; none where nothing is missing.
    pub(crate) fn warning(&self) -> Option<String> {
        let names = self.names();
        match names.is_empty() {
            true => None,
            false => Some(format!(
                "##[warning]there is no value for {}: the job sees an empty text",
                names.join(", ")
            )),
        }
    }

    fn walk(&mut self, value: &serde_json::Value) {
        match value {
            serde_json::Value::String(text) => self.read(text),
            serde_json::Value::Array(items) => items.iter().for_each(|item| self.walk(item)),
            serde_json::Value::Object(entries) => entries.values().for_each(|entry| self.walk(entry)),
            _ => {}
        }
    }

    fn read(&mut self, text: &str) {
        if !text.contains("${{") {
            return;
        }
        let Ok(template) = Template::parse(text) else { return };
        for expression in template.expressions() {
            for (path, _) in expression.tree().paths() {
                match path.as_slice() {
                    [context, name, ..] if context == "secrets" => self.secrets.insert(name.to_uppercase()),
                    [context, name, ..] if context == "vars" => self.vars.insert(name.to_uppercase()),
                    _ => continue,
                };
            }
        }
    }
}

/// Every job has a token of its own under this name.
const OWN_TOKEN: &str = "GITHUB_TOKEN";

#[cfg(test)]
mod tests {
    use super::*;

    fn job(run: &str) -> Job {
        let text = format!("on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - run: {run}\n");
        let read = sluice_dialect_github::read("a.yml", &text, &|_| None);
        read.workflow.unwrap().plan().unwrap().jobs.remove(0)
    }

    #[test]
    fn what_a_job_reads_and_nobody_has_is_named() {
        for (run, secrets, expect) in [
            ("echo hi", vec![], vec![]),
            ("echo ${{ secrets.KEY }} ${{ vars.REGION }}", vec![], vec!["secrets.KEY", "vars.REGION"]),
            ("echo ${{ secrets.key }}", vec!["KEY"], vec![]),
            ("echo ${{ format('{0}', secrets.Key) }}", vec![], vec!["secrets.KEY"]),
            ("echo ${{ secrets.GITHUB_TOKEN }}", vec![], vec![]),
            ("echo secrets.KEY", vec![], vec![]),
        ] {
            assert_eq!(Missing::of(&job(run), &secrets, &[]).names(), expect, "{run}");
        }
        let warning = Missing::of(&job("echo ${{ secrets.KEY }}"), &[], &[]).warning();
        assert_eq!(
            warning.unwrap(),
            "##[warning]there is no value for secrets.KEY: the job sees an empty text"
        );
    }
}
