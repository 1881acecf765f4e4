//! One call of `sluice run`, as a case asks for it.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use super::case::{Call, Case, Runner};
use super::check;
use super::record::Record;
use crate::repository::Repository;

/// A case that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(90);

/// What pipelines of the cases ask for, and run in the image of the cases.
const LABELS: [&str; 2] = ["ubuntu-latest", "cimg/base:current"];

/// Runs a case's calls in a repository of its own. What is not as it says comes back.
pub fn perform(case: &Case, runner: Runner, image: Option<&str>) -> Vec<String> {
    let first = &case.calls[0];
    let mut files = vec![(case.pipeline_path, case.pipeline.as_str())];
    files.extend(first.files.iter().map(|(path, text)| (path.as_str(), text.as_str())));
    let repository = Repository::folder(&files);
    let mut found = Vec::new();
    for (index, call) in case.calls.iter().enumerate() {
        commit(&repository, call, index == 0);
        let record = match run(&repository, call, runner, image) {
            Ok(record) => record,
            Err(problem) => return vec![problem],
        };
        let differences = check::differences(&call.expect, &record, &repository.state());
        let place = if index == 0 { String::new() } else { format!("call {}: ", index + 1) };
        found.extend(differences.iter().map(|difference| format!("{place}{difference}")));
    }
    found
}

fn commit(repository: &Repository, call: &Call, is_first: bool) {
    for (path, text) in &call.files {
        repository.write(path, text.as_bytes());
        if text.starts_with("#!") {
            let executable = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(repository.path().join(path), executable).unwrap();
        }
    }
    if is_first {
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
    }
    if is_first || !call.files.is_empty() {
        repository.git(&["add", "--all"]);
        repository.git(&["commit", "--quiet", "--message", "First"]);
    }
}

fn arguments(repository: &Repository, call: &Call, runner: Runner, image: Option<&str>) -> Vec<String> {
    let mut words = vec!["run".to_owned(), "--json".to_owned()];
    words.extend(call.workflow.clone());
    let mut flag = |name: &str, value: String| words.extend([format!("--{name}"), value]);
    flag("runner", if runner == Runner::Host { "host" } else { "docker" }.to_owned());
    for (label, image) in LABELS.iter().zip(image.into_iter().cycle()) {
        flag("image", format!("{label}={image}"));
    }
    call.job.iter().for_each(|it| flag("job", it.clone()));
    call.event.iter().for_each(|it| flag("event", it.clone()));
    call.git_ref.iter().for_each(|it| flag("ref", it.clone()));
    call.base.iter().for_each(|it| flag("base", it.clone()));
    call.changed.iter().for_each(|it| flag("changed-path", it.clone()));
    call.approve.iter().for_each(|it| flag("approve", it.clone()));
    call.jobs.iter().for_each(|it| flag("jobs", it.to_string()));
    call.inputs.iter().for_each(|(key, value)| flag("input", format!("{key}={value}")));
    call.secrets.keys().for_each(|key| flag("secret", key.clone()));
    call.vars.iter().for_each(|(key, value)| flag("var", format!("{key}={value}")));
    if let Some(text) = &call.secret_file {
        repository.write(".git/secrets", text.as_bytes());
        flag("secret-file", ".git/secrets".to_owned());
    }
    if let Some(payload) = &call.payload {
        repository.write(".git/event.json", payload.to_string().as_bytes());
        flag("event-file", ".git/event.json".to_owned());
    }
    words
}

pub fn run(
    repository: &Repository,
    call: &Call,
    runner: Runner,
    image: Option<&str>,
) -> Result<Record, String> {
    let words = arguments(repository, call, runner, image);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut child = repository
        .command(&words)
        .envs(&call.secrets)
        .env("XDG_CONFIG_HOME", repository.path().join(".git/test-config"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let id = child.id();
    let (output, mut errors) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let signal = call.signal.as_ref().map(|signal| (signal.after.clone(), signal.send.clone()));
    let (ended, end) = mpsc::channel();
    std::thread::spawn(move || {
        let mut stderr = Vec::new();
        let collect = std::thread::spawn(move || {
            errors.read_to_end(&mut stderr).unwrap();
            String::from_utf8_lossy(&stderr).into_owned()
        });
        let stdout = read(BufReader::new(output), signal, id);
        // Whoever waits gave up after the limit.
        let _ = ended.send((stdout, collect.join().unwrap()));
    });
    let said = end.recv_timeout(LIMIT);
    if said.is_err() {
        child.kill().unwrap();
    }
    let exit = child.wait().unwrap().code().unwrap_or(-1);
    let (stdout, stderr) = said.map_err(|_| format!("it did not end within {LIMIT:?}"))?;
    Ok(Record::new(exit, stdout, stderr))
}

/// All lines; a signal goes to the process when its line was there.
fn read(output: impl BufRead, mut signal: Option<(String, String)>, process: u32) -> String {
    let mut stdout = String::new();
    for line in output.split(b'\n') {
        let line = String::from_utf8_lossy(&line.unwrap()).into_owned();
        let moments = Record::new(0, line.clone(), String::new()).moments;
        stdout.push_str(&line);
        stdout.push('\n');
        if let Some((_, name)) = signal.take_if(|(after, _)| moments.contains(after)) {
            let sent = Command::new("kill").args(["-s", &name, &process.to_string()]).status().unwrap();
            assert!(sent.success());
        }
    }
    stdout
}
