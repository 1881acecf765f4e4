//! Places of failed jobs: kept, looked into, left again.

use std::process::{Command, Stdio};

use crate::cases::image;
use crate::repository::{Repository, Said, says};
use crate::under_way::UnderWay;

const FAILS: &str = concat!(
    "name: CI\non: push\njobs:\n  build:\n    runs-on: ubuntu-latest\n    env: { PLAIN: seen, KEY: 'x-${{ secrets.KEY }}' }\n    steps:\n",
    "      - run: mkdir -p below && echo left > below/file\n",
    "      - run: echo failing; test -e /go-on-never\n        name: Break\n        working-directory: below\n        env: { OWN: step }\n",
    "      - run: echo afterwards\n        if: always()\n",
);

fn repository() -> Repository {
    Repository::with(&[(".github/workflows/ci.yml", FAILS)])
}

/// The runners of this machine, with the flags that choose them.
fn runners() -> Vec<Vec<String>> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let mut runners = vec![words(&["--runner", "host"])];
    if let Some(image) = image::ready() {
        runners.push(words(&["--runner", "docker", "--image", &format!("ubuntu-latest={image}")]));
    }
    runners
}

fn command(repository: &Repository, words: &[&str], more: &[String]) -> Command {
    let more = more.iter().map(String::as_str);
    let mut command = repository.command(&words.iter().copied().chain(more).collect::<Vec<_>>());
    command.env("KEY", "hunter2");
    command
}

fn said(mut command: Command) -> Said {
    Said::from(command.output().unwrap())
}

/// Whether any file below the state folder holds the text.
fn holds(folder: &std::path::Path, text: &str) -> bool {
    std::fs::read_dir(folder).unwrap().flatten().any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return holds(&path, text);
        }
        let is_job_files =
            path.components().any(|part| part.as_os_str() == "work" || part.as_os_str() == "home");
        !is_job_files
            && std::fs::read(&path).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(text))
    })
}

#[test]
fn a_failed_jobs_place_is_kept_until_it_is_cleaned_or_the_job_runs_again() {
    for runner in runners() {
        let repository = repository();
        let run = || said(command(&repository, &["run", "--secret", "KEY", "--keep"], &runner));
        says(&run(), 1, &["look inside: sluice shell 1 build", "build | afterwards"]);
        let inside = ["shell", "1", "build", "--"];
        let look =
            |script: &str| said(command(&repository, &[&inside[..], &["sh", "-c", script]].concat(), &[]));
        says(
            &look("pwd; cat file; echo $PLAIN-$OWN-$KEY; echo home $HOME; exit 7"),
            7,
            &["/below\n", "left\n", "seen-step-x-hunter2\n"],
        );
        assert!(!holds(&repository.state(), "hunter2"), "a secret is in a file");
        let mut without = command(&repository, &["shell", "1", "build", "--", "printenv", "PLAIN"], &[]);
        without.env_remove("KEY").stdin(Stdio::null());
        says(&said(without), 0, &["seen", "not set, for secrets are in them that are not given: KEY"]);
        let listed = repository.sluice(&["runs"]);
        says(&listed, 0, &["KEPT OF", "Break", "sluice shell 1 build"]);
        // The next one of the same takes its place.
        says(&run(), 1, &["look inside: sluice shell 2 build"]);
        says(&look("true"), 2, &["nothing is kept of `build` in run 1", "sluice rerun 1 --job build --keep"]);
        says(&repository.sluice(&["shell", "2", "build", "--", "cat", "file"]), 0, &["left"]);
        says(&repository.sluice(&["clean"]), 0, &["removed what was kept of build in run 2"]);
        assert!(!repository.sluice(&["runs"]).stdout.contains("KEPT OF"));
        says(&repository.sluice(&["clean"]), 0, &["nothing was kept"]);
        // Without the flag, nothing is kept, and the way in is another.
        let plain = said(command(&repository, &["run", "--secret", "KEY"], &runner));
        says(
            &plain,
            1,
            &["look inside: sluice run .github/workflows/ci.yml --job build", "--break-on-failure"],
        );
        assert!(!repository.sluice(&["runs"]).stdout.contains("KEPT OF"));
        says(&repository.sluice(&["clean", "--all"]), 0, &["removed"]);
        says(&repository.sluice(&["runs"]), 2, &["nothing has run in"]);
    }
}

#[test]
fn a_job_stands_at_the_step_that_fails_until_it_is_told_to_go_on() {
    for runner in runners() {
        let repository = repository();
        let words = ["run", "--secret", "KEY", "--break-on-failure"];
        let mut run = UnderWay::start(command(&repository, &words, &runner));
        let line = run.until("go on:");
        assert!(line.contains("sluice shell 1 build --continue"), "{line}");
        let look = ["shell", "1", "build", "--", "sh", "-c", "cat file; echo made > here; echo $OWN-$KEY"];
        says(&said(command(&repository, &look, &[])), 0, &["left", "step-x-hunter2"]);
        says(&repository.sluice(&["runs"]), 0, &["◐ running", "KEPT OF"]);
        says(&repository.sluice(&["shell", "1", "build", "--continue"]), 0, &["goes on"]);
        says(&run.end(), 1, &["build | afterwards"]);
        says(&repository.sluice(&["shell", "1", "build", "--continue"]), 2, &["no process runs 1 any more"]);
        assert!(!repository.sluice(&["runs"]).stdout.contains("KEPT OF"));
    }
}
