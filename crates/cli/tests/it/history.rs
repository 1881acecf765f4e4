//! Runs on this machine, looked at and changed from other processes.

use crate::repository::{Repository, Said, says};
use crate::under_way::UnderWay;

const CI: &str = ".github/workflows/ci.yml";

fn workflow(jobs: &str) -> Repository {
    Repository::with(&[(CI, &format!("name: CI\non: push\njobs:\n{jobs}"))])
}

fn runs(repository: &Repository) -> Vec<serde_json::Value> {
    let said = repository.sluice(&["runs", "--json"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    serde_json::from_str(&said.stdout).unwrap()
}

/// A run in a process of its own that has said `words`.
fn begun(repository: &Repository, words: &str) -> UnderWay {
    let mut run = UnderWay::start(repository.command(&["run", "--runner", "host"]));
    run.until(words);
    run
}

const WAITS: &str = concat!(
    "  wait:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo ready; exec sleep 1000\n",
    "      - run: echo cleaned up\n        if: always()\n",
);

#[test]
fn what_failed_is_run_again_on_the_same_snapshot_and_what_passed_is_kept() {
    let repository = workflow(concat!(
        "  build:\n    runs-on: ubuntu-latest\n    outputs: { stamp: '${{ steps.s.outputs.stamp }}' }\n    steps:\n",
        "      - uses: actions/checkout@v4\n      - id: s\n        run: echo \"stamp=$(cat file)-$(date +%s%N)\" >> \"$GITHUB_OUTPUT\"\n",
        "  test:\n    needs: build\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v4\n",
        "      - run: echo \"stamp ${{ needs.build.outputs.stamp }} file $(cat file) attempt $GITHUB_RUN_ATTEMPT\"; test -e ",
        "/tmp/",
        "$MARK\n        env: { MARK: '${{ vars.MARK }}' }\n",
        "  after:\n    needs: test\n    runs-on: ubuntu-latest\n    steps: [{ run: echo went on }]\n",
    ));
    repository.write("file", b"as it was\n");
    let mark = tempfile::Builder::new().prefix("mark").tempfile().unwrap();
    let name = mark.path().file_name().unwrap().to_str().unwrap().to_owned();
    drop(mark);
    let first = repository.sluice(&["run", "--runner", "host", "--var", &format!("MARK={name}")]);
    says(&first, 1, &["file as it was attempt 1", "– after skipped"]);
    let stamp = |said: &Said| {
        let line = said.stdout.lines().find(|line| line.contains("stamp as it was-")).unwrap().to_owned();
        line.split_whitespace().find(|word| word.starts_with("was-")).unwrap().to_owned()
    };
    repository.write("file", b"changed since\n");
    let mark = std::path::Path::new("/tmp").join(&name);
    std::fs::write(&mark, "").unwrap();
    let second = repository.sluice(&["rerun", "1", "--failed"]);
    std::fs::remove_file(&mark).unwrap();
    says(
        &second,
        0,
        &["attempt 2", "✓ build kept", "file as it was attempt 2", "after | went on", "✓ CI passed"],
    );
    assert_eq!(stamp(&first), stamp(&second), "the job that passed ran again");
    says(&repository.sluice(&["rerun", "1", "--failed"]), 2, &["nothing"]);
    says(&repository.sluice(&["rerun", "7"]), 2, &["no run 7", "sluice runs"]);
    // Everything of it, and its log is the last attempt's.
    says(&repository.sluice(&["logs", "1", "after"]), 0, &["went on"]);
    says(&repository.sluice(&["logs", "1"]), 0, &["JOB", "build", "success"]);
    says(&repository.sluice(&["logs", "1", "nope"]), 2, &["no job `nope`", "sluice logs 1"]);
    says(&repository.sluice(&["runs"]), 0, &["on this machine", "✓ success", "CI"]);
}

#[test]
fn a_run_is_cancelled_and_followed_from_another_process() {
    let repository = workflow(WAITS);
    let run = begun(&repository, "| ready");
    assert_eq!(runs(&repository)[0]["state"], "running");
    says(&repository.sluice(&["logs", "1", "wait"]), 0, &["ready"]);
    let mut follower = UnderWay::start(repository.command(&["logs", "1", "wait", "--follow"]));
    follower.until("ready");
    says(&repository.sluice(&["cancel", "1"]), 0, &["run 1: ◐ cancelling"]);
    says(&run.end(), 1, &["wait | cleaned up", "⊘ CI cancelled"]);
    says(&follower.end(), 0, &["cleaned up"]);
    assert_eq!(runs(&repository)[0]["state"], "cancelled");
    says(&repository.sluice(&["cancel", "1"]), 2, &["it has ended: cancelled"]);
}

#[test]
fn a_run_whose_process_was_killed_is_told_as_interrupted_and_can_be_run_again() {
    let repository =
        workflow(&WAITS.replace(
            "exec sleep 1000",
            "test -e /tmp/never || test $GITHUB_RUN_ATTEMPT = 2 || exec sleep 1000",
        ));
    begun(&repository, "| ready").kill();
    let listed = runs(&repository);
    assert_eq!(listed[0]["state"], "interrupted");
    assert!(listed[0]["problem"].as_str().unwrap().contains("killed"), "{listed:?}");
    says(&repository.sluice(&["runs"]), 0, &["⊘ interrupted"]);
    says(&repository.sluice(&["logs", "1", "wait"]), 0, &["ready"]);
    says(&repository.sluice(&["rerun", "1", "--failed"]), 0, &["attempt 2", "✓ CI passed"]);
    assert_eq!(runs(&repository)[0]["state"], "success");
}

#[test]
fn a_run_that_waits_at_a_gate_can_be_cancelled_without_a_process() {
    let config = "version: 2.1\njobs:\n  a: { docker: [{ image: any }], steps: [{ run: echo a }] }\nworkflows: { all: { jobs: [a, { hold: { type: approval } }] } }\n";
    let repository = Repository::with(&[(".circleci/config.yml", config)]);
    says(&repository.sluice(&["run", "--runner", "host", "--approve", "none"]), 3, &["hold"]);
    assert_eq!(runs(&repository)[0]["state"], "waiting");
    let told = "`hold` waits for an approval that nobody can give any more here: `sluice cancel 1`, then `sluice rerun 1`";
    says(&repository.sluice(&["rerun", "1"]), 2, &[told]);
    says(&repository.sluice(&["rerun", "1", "--job", "hold", "--approve", "all"]), 2, &[told]);
    says(&repository.sluice(&["cancel", "1"]), 0, &["⊘ cancelled"]);
    says(&repository.sluice(&["rerun", "1", "--approve", "all"]), 0, &["attempt 2", "✓ all passed"]);
}

#[test]
fn a_remote_on_a_server_and_a_given_address_mean_the_servers_runs() {
    let repository = workflow("  a:\n    runs-on: ubuntu-latest\n    steps: [{ run: echo a }]\n");
    says(&repository.sluice(&["runs"]), 2, &["nothing has run in"]);
    says(&repository.sluice(&["run", "--runner", "host"]), 0, &[]);
    // Nobody listens there.
    says(
        &repository.sluice(&["runs", "--server", "http://127.0.0.1:9", "--repository", "a/b"]),
        2,
        &["127.0.0.1:9"],
    );
    repository.git(&["remote", "add", "sluice", "http://ada:t@127.0.0.1:9/acme/x.git"]);
    let said = repository.sluice(&["runs"]);
    says(&said, 2, &["runs of acme/x on 127.0.0.1:9"]);
    says(&repository.sluice(&["runs", "--local"]), 0, &["✓ success"]);
    let folder = Repository::folder(&[]);
    says(&folder.sluice(&["runs"]), 2, &["in no git repository", "--server"]);
}

#[test]
fn secrets_come_from_the_environment_or_a_file_and_never_from_the_command_line() {
    let repository = workflow(concat!(
        "  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: test \"$A\" = from-the-env && test \"$B\" = \"$(printf 'first line\\nsecond line')\" && echo same \"$B\"\n",
        "        env: { A: '${{ secrets.A }}', B: '${{ secrets.B }}' }\n",
    ));
    let refused = repository.sluice(&["run", "--runner", "host", "--secret", "A=hunter2"]);
    says(&refused, 2, &["--secret A=…", "environment", "--secret-file"]);
    assert!(!refused.stderr.contains("hunter2"));
    says(
        &repository.sluice(&["run", "--secret", "NOT_SET_ANYWHERE"]),
        2,
        &["NOT_SET_ANYWHERE", "no such variable"],
    );
    repository.write(".git/secrets", b"B='first line\nsecond line'\n");
    let mut command =
        repository.command(&["run", "--runner", "host", "--secret", "A", "--secret-file", ".git/secrets"]);
    let said = Said::from(command.env("A", "from-the-env").output().unwrap());
    says(&said, 0, &["same ***"]);
    assert!(!said.stdout.contains("first line") && !said.stdout.contains("second line"), "{}", said.stdout);
    repository.write(".git/secrets", b"B=1\nhunter2\n");
    let wrong = repository.sluice(&["run", "--secret-file", ".git/secrets"]);
    says(&wrong, 2, &[".git/secrets:2:"]);
    assert!(!wrong.stderr.contains("hunter2"));
}
