//! What one call of `sluice run --json` said.

use std::collections::BTreeMap;

use serde_json::Value;

/// Everything that a call said, by what its author calls things.
#[derive(Debug, Default)]
pub struct Record {
    pub exit: i32,
    pub stdout: String,
    pub stderr: String,
    /// Workflow and conclusion (`waits` for none).
    pub runs: Vec<(String, String)>,
    /// By the name that is shown, behind `WORKFLOW: ` where several workflows ran.
    pub jobs: BTreeMap<String, Job>,
    /// `JOB starts`, `JOB | line` and `JOB ends`, as they came.
    pub moments: Vec<String>,
}

#[derive(Debug, Default)]
pub struct Job {
    pub conclusion: String,
    pub problem: String,
    pub outputs: BTreeMap<String, String>,
    pub steps: Vec<Step>,
    /// `error a.py:3: message`
    pub annotations: Vec<String>,
    pub artifacts: Vec<String>,
    pub tests: Vec<String>,
}

#[derive(Debug, Default)]
pub struct Step {
    pub name: String,
    /// `success`; `failure, goes on` where `continue-on-error` made a success of it.
    pub end: String,
    text: String,
}

impl Step {
    /// What it said, without the group that shows its script.
    pub fn output(&self) -> &str {
        let whole = &self.text;
        match ["##[group]Run ", "##[group]#!"]
            .iter()
            .any(|begin| whole.starts_with(begin))
            .then(|| whole.split_once("##[endgroup]\n"))
            .flatten()
        {
            Some((_, said)) => said,
            None => whole,
        }
    }
}

impl Job {
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().flat_map(|step| step.output().lines())
    }
}

pub fn is_moment(text: &str) -> bool {
    text.ends_with(" starts") || text.ends_with(" ends") || text.contains(" | ")
}

impl Record {
    pub fn new(exit: i32, stdout: String, stderr: String) -> Self {
        let lines: Vec<Value> = stdout.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let mut record = Self { exit, stdout, stderr, ..Default::default() };
        let of_kind = |kind: &'static str| lines.iter().filter(move |line| line["kind"] == kind);
        let workflows: BTreeMap<u64, String> =
            of_kind("run_started").map(|line| (number(&line["run"]), text(&line["workflow"]))).collect();
        let ended = |line: &Value| match &line["conclusion"] {
            Value::Null => "waits".to_owned(),
            conclusion => text(conclusion),
        };
        let workflow = |line: &Value| workflows.get(&number(&line["run"])).cloned().unwrap_or_default();
        record.runs = of_kind("run_ended").map(|line| (workflow(line), ended(line))).collect();
        // A job is told by its id; its name, with the values of its matrix, comes when it has ended.
        let names: BTreeMap<(u64, String), String> = of_kind("job_ended")
            .map(|line| {
                let (run, id, name) = (number(&line["run"]), text(&line["job"]), text(&line["name"]));
                let shown = if workflows.len() > 1 { format!("{}: {name}", workflow(line)) } else { name };
                ((run, id), shown)
            })
            .collect();
        // That a job has ended is told when its run has heard of it, which may be after the next job has begun.
        let last_words: BTreeMap<(u64, String), usize> = (0..)
            .zip(&lines)
            .filter(|(_, line)| line["kind"] == "job")
            .map(|(at, line)| ((number(&line["run"]), text(&line["job"])), at))
            .collect();
        for (at, line) in lines.iter().enumerate() {
            let id = (number(&line["run"]), text(&line["job"]));
            let last_word = last_words.get(&id);
            let name = names.get(&id).cloned().unwrap_or(id.1);
            match line["kind"].as_str() {
                Some("job") => {
                    record.hear(name.clone(), &line["event"]);
                    if last_word == Some(&at) {
                        record.moments.push(format!("{name} ends"));
                    }
                }
                Some("job_ended") => {
                    let job = record.jobs.entry(name.clone()).or_default();
                    job.conclusion = text(&line["conclusion"]);
                    job.problem = text(&line["problem"]);
                    let outputs = line["outputs"].as_object().into_iter().flatten();
                    job.outputs = outputs.map(|(key, value)| (key.clone(), text(value))).collect();
                    if last_word.is_none() {
                        record.moments.push(format!("{name} ends"));
                    }
                }
                _ => {}
            }
        }
        record
    }

    fn hear(&mut self, name: String, event: &Value) {
        let job = self.jobs.entry(name.clone()).or_default();
        let index = number(&event["step"]) as usize;
        if event["step"].is_number() && job.steps.len() <= index {
            job.steps.resize_with(index + 1, Step::default);
        }
        match event["kind"].as_str().unwrap_or_default() {
            "prepared" => self.moments.push(format!("{name} starts")),
            "step_started" => job.steps[index].name = text(&event["name"]),
            "output" => {
                let said = text(&event["text"]);
                job.steps[index].text.push_str(&said);
                self.moments.extend(said.lines().map(|line| format!("{name} | {line}")));
            }
            "step_finished" => {
                let (outcome, conclusion) = (text(&event["outcome"]), text(&event["conclusion"]));
                job.steps[index].end =
                    if outcome == conclusion { outcome } else { format!("{outcome}, goes on") };
            }
            "annotation" => {
                let line = event["line"].as_u64().map_or(String::new(), |line| format!(":{line}"));
                let place = event["file"].as_str().map_or(String::new(), |file| format!(" {file}{line}"));
                job.annotations.push(format!(
                    "{}{place}: {}",
                    text(&event["level"]),
                    text(&event["message"])
                ));
            }
            "artifact_stored" => job.artifacts.push(text(&event["name"])),
            "tests_stored" => {
                let count = |key: &str| number(&event[key]);
                let (passed, failed, skipped) = (count("passed"), count("failed"), count("skipped"));
                job.tests.push(format!("{passed} passed, {failed} failed, {skipped} skipped"));
            }
            _ => {}
        }
    }

    /// The whole log of a job, for whoever has to find out.
    pub fn log_of(&self, name: &str) -> String {
        let Some(job) = self.jobs.get(name) else { return String::new() };
        let step = |step: &Step| format!("[{}: {}]\n{}", step.name, step.end, step.output());
        job.steps.iter().map(step).collect::<Vec<_>>().join("")
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}
