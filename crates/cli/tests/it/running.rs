//! `sluice run` on the host: what it says, its exit codes, and that it leaves the tree and the machine as they were.

use std::path::PathBuf;

use crate::repository::{Repository, Said, says};
use crate::under_way::UnderWay;

const CI: &str = ".github/workflows/ci.yml";

fn workflow(jobs: &str) -> Repository {
    Repository::with(&[(CI, &format!("name: CI\non: push\njobs:\n{jobs}"))])
}

fn circleci(text: &str) -> Repository {
    Repository::with(&[(".circleci/config.yml", text)])
}

fn run(repository: &Repository, more: &[&str]) -> Said {
    repository.sluice(&[&["run", "--runner", "host"], more].concat())
}

#[test]
fn what_failed_is_told_at_the_end_with_how_to_run_it_again() {
    let repository = workflow(concat!(
        "  build:\n    runs-on: ubuntu-latest\n    strategy: { matrix: { v: [1, 2] }, fail-fast: false }\n    steps:\n",
        "      - name: Compile\n        run: |\n          echo version ${{ matrix.v }}\n          exit $((${{ matrix.v }} * 3 - 3))\n",
        "      - run: echo never reached\n",
        "  ship:\n    needs: build\n    runs-on: ubuntu-latest\n    steps: [{ run: echo shipped }]\n",
    ));
    let said = run(&repository, &["--var", "A=b c"]);
    says(
        &said,
        1,
        &[
            "build (2) | version 2",
            "build (2) | – Run echo never reached (skipped)",
            "– ship skipped",
            "✕ CI: build (2): step \"Compile\" failed with exit code 3",
            "again: sluice run .github/workflows/ci.yml --job build --runner host --var 'A=b c'",
            "✕ CI failed",
        ],
    );
    assert!(!said.stdout.contains("shell: bash"), "the header of a step is not its output:\n{}", said.stdout);
    says(&run(&repository, &["--quiet"]), 1, &["✕ CI: build (2): step \"Compile\" failed", "    version 2"]);
}

#[test]
fn everything_that_cannot_be_done_is_listed_before_anything_runs() {
    let repository = workflow(concat!(
        "  fine:\n    runs-on: ubuntu-latest\n    steps: [{ run: touch ran }]\n",
        "  odd:\n    runs-on: windows-latest\n    steps:\n",
        "      - { run: dir, shell: cmd }\n",
        "      - uses: actions/checkout@v4\n        with: { ssh-key: x }\n",
    ));
    let said = run(&repository, &[]);
    says(
        &said,
        2,
        &[
            "windows-latest",
            ".github/workflows/ci.yml:10:9",
            "the shell `cmd`",
            "the input `ssh-key`",
            "nothing was run: 3 things",
            "`--job` runs one of those that can be: fine",
        ],
    );
    assert_eq!(said.stdout, "");
    says(&run(&repository, &["--job", "fine"]), 0, &["✓ fine"]);
}

#[test]
fn failed_tests_are_named() {
    let repository = circleci(concat!(
        "version: 2.1\njobs:\n  test:\n    docker: [{ image: any }]\n    steps:\n",
        "      - run: |\n          mkdir results\n          echo '<testsuite><testcase classname=\"cart\" name=\"adds\" file=\"cart.py\" time=\"1.5\">",
        "<failure message=\"1 is not 2\"/></testcase></testsuite>' > results/r.xml\n          exit 1\n",
        "      - store_test_results: { path: results }\n",
        "workflows: { all: { jobs: [test] } }\n",
    ));
    let said = run(&repository, &[]);
    says(
        &said,
        1,
        &["failed tests:", "✕ cart adds (cart.py, 1.5 s): 1 is not 2", "again: sluice run all --job test"],
    );
    let json = r#"{"kind":"test_failed","run":2,"job":"test","test":{"suite":"cart","name":"adds","file":"cart.py","duration_ms":1500,"outcome":{"failed":{"message":"1 is not 2"}}}}"#;
    says(&run(&repository, &["--json"]), 1, &[json]);
}

#[test]
fn junit_files_of_a_workspace_are_collected_in_both_dialects() {
    let script = "mkdir -p out/deep && echo '<testsuite><testcase classname=\"cart\" name=\"adds\" file=\"cart.py\" time=\"1.5\"><failure message=\"1 is not 2\"/></testcase><testcase name=\"ok\"/></testsuite>' > out/deep/r.xml && echo '<broken' > out/b.xml; exit 1";
    let github = workflow(&format!(
        "  test:\n    runs-on: ubuntu-latest\n    steps:\n      - run: |\n          {script}\n"
    ));
    let circleci = circleci(&format!(
        "version: 2.1\njobs:\n  test:\n    docker: [{{ image: any }}]\n    steps:\n      - run: |\n          {script}\nworkflows: {{ all: {{ jobs: [test] }} }}\n"
    ));
    for repository in [github, circleci] {
        let said = run(&repository, &["--junit", "out/**/*.xml"]);
        says(
            &said,
            1,
            &[
                "b.xml",
                "Tests: 1 passed, 1 failed, 0 skipped",
                "failed tests:",
                "cart adds",
                "cart.py",
                "1 is not 2",
                "--junit 'out/**/*.xml'",
            ],
        );
        let json = run(&repository, &["--junit", "out/**/*.xml", "--json"]);
        says(&json, 1, &["\"kind\":\"tests_stored\"", "\"failed\":1"]);
        assert!(!run(&repository, &[]).stdout.contains("failed tests:"));
    }
}

#[test]
fn nodes_of_a_parallel_job_are_told_apart() {
    let repository = circleci(concat!(
        "version: 2.1\njobs:\n  t: { docker: [{ image: x }], parallelism: 2, steps: [run: 'exit $CIRCLE_NODE_INDEX'] }\n",
        "workflows: { w: { jobs: [t] } }\n"
    ));
    let said = run(&repository, &[]);
    says(
        &said,
        1,
        &[
            "t/0 | exit $CIRCLE_NODE_INDEX",
            "✓ t/0",
            "✕ t/1",
            "✕ w: t/1: step",
            "again: sluice run w --job t ",
        ],
    );
}

#[test]
fn in_json_a_job_has_ended_before_anything_of_one_that_needed_it() {
    let jobs = (1..=40).map(|n| {
        let needs = if n == 1 { String::new() } else { format!("needs: j{}, ", n - 1) };
        format!("  j{n}: {{ {needs}runs-on: ubuntu-latest, steps: [{{ run: 'true' }}] }}\n")
    });
    let said = run(&workflow(&jobs.collect::<String>()), &["--json"]);
    says(&said, 0, &[]);
    let mut ended = 0;
    for line in said.stdout.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let number = || line["job"].as_str().and_then(|job| job[1..].parse::<u32>().ok());
        match line["kind"].as_str() {
            Some("job") => assert_eq!(number(), Some(ended + 1), "{line}"),
            Some("job_ended") => {
                ended += 1;
                assert_eq!(number(), Some(ended), "{line}");
            }
            _ => {}
        }
    }
    assert_eq!(ended, 40);
}

#[test]
fn a_gate_that_nobody_opens_is_named() {
    let jobs = "version: 2.1\njobs:\n  a: { docker: [{ image: any }], steps: [{ run: CODE }] }\nworkflows: { all: { jobs: [a, { hold: { type: approval } }] } }\n";
    let waits = run(&circleci(&jobs.replace("CODE", "true")), &["--approve", "none"]);
    says(&waits, 3, &["⏸ all waits; not approved: `hold`"]);
    // What has failed has failed, whatever a person would say.
    let failed = run(&circleci(&jobs.replace("CODE", "false")), &["--approve", "none"]);
    says(&failed, 1, &["✕ all failed; not approved: `hold`"]);
    says(&run(&circleci(&jobs.replace("CODE", "true")), &["--approve", "all"]), 0, &["✓ all passed"]);
}

#[test]
fn an_environment_is_open_unless_all_shall_stay_closed() {
    let repository = workflow(
        "  deploy:\n    runs-on: ubuntu-latest\n    environment: staging\n    steps: [{ run: echo deployed-$((1 + 1)) }]\n",
    );
    let open = run(&repository, &[]);
    says(&open, 0, &["deployed-2", "✓ CI passed"]);
    assert!(!open.stdout.contains("waits"), "{open:?}");
    let json = run(&repository, &["--json"]);
    says(&json, 0, &["deployed-2"]);
    assert!(!json.stdout.contains("gate_waits"), "{json:?}");
    says(&run(&repository, &["--approve", "all"]), 0, &["deployed-2"]);
    let closed = run(&repository, &["--approve", "none"]);
    says(&closed, 3, &["⏸ staging waits for an approval", "not approved: `staging`"]);
    assert!(!closed.stdout.contains("deployed-2"), "{closed:?}");
    let json = run(&repository, &["--approve", "none", "--json"]);
    says(&json, 3, &[r#""kind":"gate_waits""#, r#""gate":"staging""#]);
    assert!(!json.stdout.contains("deployed-2"), "{json:?}");
}

#[test]
fn the_persons_tree_and_index_stay_as_they_are() {
    let repository = workflow(concat!(
        "  look:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v4\n",
        "      - run: cat changed new staged; test ! -e ignored; echo x > made; git add -A\n",
    ));
    repository.write("changed", b"before\n");
    repository.write(".gitignore", b"ignored\n");
    repository.git(&["add", "--all"]);
    repository.git(&["commit", "--quiet", "--message", "Second"]);
    repository.write("changed", b"after\n");
    repository.write("new", b"untracked\n");
    repository.write("ignored", b"secret\n");
    repository.write("staged", b"added\n");
    repository.git(&["add", "staged"]);
    let index = || std::fs::read(repository.path().join(".git/index")).unwrap();
    let look =
        || (repository.git_says(&["status", "--short"]), repository.git_says(&["for-each-ref"]), index());
    let before = look();
    says(&run(&repository, &[]), 0, &["look | after", "look | untracked", "look | added"]);
    assert!(look() == before, "{}", repository.git_says(&["status", "--short"]));
}

#[test]
fn submodules_are_those_of_the_persons_clone() {
    let library = Repository::with(&[("library.txt", "of the library\n")]);
    let repository = workflow(concat!(
        "  look:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v4\n",
        "        with: { submodules: recursive }\n      - run: cat vendor/library.txt\n",
    ));
    let address = format!("file://{}", library.path().display());
    repository.git(&["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", &address, "vendor"]);
    repository.git(&["commit", "--quiet", "--message", "A submodule"]);
    // What .gitmodules names is not reached: the clone has all that is needed.
    drop(library);
    says(&run(&repository, &[]), 0, &["look | Checked out the submodule vendor", "look | of the library"]);
    repository.git(&["worktree", "add", "--quiet", "-b", "beside", ".git/beside"]);
    // A linked working tree that was given none finds those of the first.
    let beside = ["-C", ".git/beside"];
    says(
        &run(&repository, &beside),
        0,
        &["look | Checked out the submodule vendor", "look | of the library"],
    );
}

#[test]
fn files_of_git_lfs_come_as_themselves() {
    let repository = workflow(concat!(
        "  look:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v4\n",
        "        with: { lfs: true }\n      - run: cat large.bin\n",
    ));
    let has_lfs =
        std::process::Command::new("git").args(["lfs", "version"]).output().unwrap().status.success();
    if !has_lfs {
        println!("git-lfs is not installed: what happens without it is looked at instead");
        return says(&run(&repository, &[]), 1, &["install the package git-lfs"]);
    }
    repository.git(&["lfs", "install", "--local"]);
    repository.git(&["lfs", "track", "*.bin"]);
    repository.write("large.bin", b"the content itself\n");
    repository.git(&["add", "--all"]);
    repository.git(&["commit", "--quiet", "--message", "A large file"]);
    says(&run(&repository, &[]), 0, &["look | the content itself"]);
}

#[test]
fn a_ref_that_cannot_be_is_refused_and_one_that_is_missing_is_suggested() {
    let repository = workflow("  a:\n    runs-on: ubuntu-latest\n    steps: [{ run: echo a }]\n");
    for name in ["", "a b", "x..y"] {
        says(&run(&repository, &["--ref", name]), 2, &["--ref", "no branch and no tag can have this name"]);
    }
    repository.git(&["checkout", "--quiet", "--detach"]);
    says(&run(&repository, &[]), 2, &["no branch is checked out: give --ref main"]);
    says(&run(&repository, &["--ref", "main"]), 0, &[]);
}

#[test]
fn a_terminated_run_stops_its_jobs_and_a_killed_one_leaves_nothing_to_the_next() {
    let repository = workflow(concat!(
        "  wait:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo ready; exec sleep 1000\n",
        "      - run: echo cleaned up\n        if: always()\n",
        "  quick:\n    runs-on: ubuntu-latest\n    steps: [{ run: echo quick }]\n",
    ));
    let running = wait_until_ready(&repository);
    running.send("TERM");
    says(&running.end(), 128 + 15, &["wait | cleaned up", "⊘ CI cancelled"]);
    assert_eq!(left(&repository), Vec::<PathBuf>::new());

    wait_until_ready(&repository).kill();
    assert_ne!(
        left(&repository),
        Vec::<PathBuf>::new(),
        "a killed process cannot clean up: the test sees nothing"
    );
    says(&run(&repository, &["--job", "quick"]), 0, &["quick | quick"]);
    assert_eq!(left(&repository), Vec::<PathBuf>::new());
}

#[test]
fn the_persons_configuration_stands_in_for_what_is_not_given() {
    let repository = workflow(
        "  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: test \"$KEY\" = value && echo same\n        env: { KEY: '${{ secrets.KEY }}' }\n",
    );
    let config = repository.state().join("config/sluice/config.yaml");
    std::fs::create_dir_all(config.parent().unwrap()).unwrap();
    std::fs::write(config.with_file_name("secrets.env"), "KEY=value\n").unwrap();
    std::fs::write(&config, "runner: host\nsecret_file: secrets.env\n").unwrap();
    says(&repository.sluice(&["run"]), 0, &["a | same", "The job runs on the host"]);
    std::fs::write(&config, "runner: host\njobs: none\nimage: {}\n").unwrap();
    says(
        &repository.sluice(&["run"]),
        2,
        &[
            "your configuration",
            "config.yaml:2:7: error[config/wrong-form]",
            "config.yaml:3:1",
            "did you mean `images`?",
        ],
    );
}

fn wait_until_ready(repository: &Repository) -> UnderWay {
    let mut run = UnderWay::start(repository.command(&["run", "--runner", "host", "--job", "wait"]));
    run.until("| ready");
    run
}

/// The folders of processes and of runners.
fn left(repository: &Repository) -> Vec<PathBuf> {
    let state = std::fs::read_dir(repository.state().join("sluice")).unwrap().next().unwrap().unwrap().path();
    let folders = ["processes", "runner/live"].map(|folder| state.join(folder));
    let entries = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap());
    entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect()
}
