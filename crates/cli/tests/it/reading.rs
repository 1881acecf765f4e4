//! `check`, `plan`, `compile` and `eval`: what they say, and their exit codes (0 fine, 1 findings, 2 usage or unreadable).

use crate::repository::{Repository, says};

const GOOD: &str = "on: { push: { branches: [main] } }\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps:\n      - run: make\n";
const CIRCLE: &str = concat!(
    "version: 2.1\n",
    "jobs:\n",
    "  build: { docker: [{ image: base }], steps: [checkout, { run: make }] }\n",
    "workflows:\n",
    "  all:\n",
    "    jobs:\n",
    "      - build\n",
    "      - hold: { type: approval, requires: [build] }\n",
);

/// One clear message, on one of the streams, and the code.
#[test]
fn a_good_repository_is_fine() {
    let repository =
        Repository::with(&[(".github/workflows/ci.yml", GOOD), (".circleci/config.yml", CIRCLE)]);
    says(&repository.sluice(&["check"]), 0, &["2 files, 0 errors, 0 warnings"]);
}

#[test]
fn a_bad_file_is_named_with_its_place() {
    let bad = GOOD.replace("steps", "stepps");
    let repository = Repository::with(&[(".github/workflows/ci.yml", &bad)]);
    says(&repository.sluice(&["check"]), 1, &[".github/workflows/ci.yml:5:5: error[", "stepps"]);
    says(&repository.sluice(&["plan"]), 1, &["stepps"]);
    let json = repository.sluice(&["check", "--format", "json"]);
    let parsed: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert!(parsed.is_array() || parsed.is_object());
    let sarif = repository.sluice(&["check", "--format", "sarif"]);
    let parsed: serde_json::Value = serde_json::from_str(&sarif.stdout).unwrap();
    assert_eq!(parsed["version"], "2.1.0");
}

#[test]
fn a_called_workflow_that_is_not_there_is_the_callers_error_alone() {
    let calls = "on: push\njobs:\n  call: { uses: ./.github/workflows/NAME }\n";
    let between = "on: workflow_call\njobs:\n  far: { uses: ./.github/workflows/gone.yml }\n";
    let repository = Repository::with(&[
        (".github/workflows/ok.yml", GOOD),
        (".github/workflows/typo.yml", &calls.replace("NAME", "okk.yml")),
        (".github/workflows/a.yml", &calls.replace("NAME", "between.yml")),
        (".github/workflows/between.yml", between),
    ]);
    let far = ".github/workflows/between.yml:3:16: error[github/missing-workflow]: the workflow `./.github/workflows/gone.yml` is not there";
    let typo = ".github/workflows/typo.yml:3:17: error[github/missing-workflow]: the workflow `./.github/workflows/okk.yml` is not there";
    let checked = repository.sluice(&["check"]);
    says(&checked, 1, &[far, typo, "4 files, 2 errors"]);
    says(
        &repository.sluice(&["check", "--format", "full"]),
        1,
        &["did you mean `ok.yml`?", "correct the name"],
    );
    says(&repository.sluice(&["check", ".github/workflows/typo.yml"]), 1, &[typo, "1 file, 1 error"]);
    // The others are planned, and run where they are named.
    let planned = repository.sluice(&["plan"]);
    says(
        &planned,
        1,
        &["between.yml:3:16", "typo.yml:3:17", "correct the name", "ok.yml  .github/workflows/ok.yml"],
    );
    says(&repository.sluice(&["run", "--runner", "host"]), 2, &["between.yml:3:16", "typo.yml:3:17"]);
    let named = repository.sluice(&["run", "ok.yml", "--runner", "host"]);
    assert!(!named.stderr.contains("is not there"), "{named:?}");
    // Whoever locks asks for what is fetched.
    let locked = repository.sluice(&["lock"]);
    assert!(!locked.stderr.contains("no workflow of a repository"), "{locked:?}");
    // What stands beside a file that is in no repository's folder is not known.
    let folder = Repository::folder(&[("a.yml", &calls.replace("NAME", "gone.yml"))]);
    says(&folder.sluice(&["check", "a.yml"]), 0, &["1 file, 0 errors"]);
}

#[test]
fn files_of_one_name_are_told_apart_by_the_paths_that_were_given() {
    let bad = GOOD.replace("steps", "stepps");
    let called = "on: workflow_call\njobs:\n  j: { runs-on: x, stepps: [] }\n";
    let calls = "on: push\njobs:\n  j: { uses: ./.github/workflows/called.yml }\n";
    let folder = Repository::folder(&[
        ("a/ci.yml", &bad),
        ("b/ci.yml", &bad),
        ("b/.github/workflows/called.yml", called),
        ("c/.github/workflows/ci.yml", &bad),
        ("c/sluice.yaml", "nothing: 1\n"),
        ("c/calls.yml", calls),
        ("c/.github/workflows/called.yml", called),
    ]);
    let said = folder.sluice(&["check", "a/ci.yml", "./b/ci.yml"]);
    says(&said, 1, &["a/ci.yml:5:5: error[", "./b/ci.yml:5:5: error[", "2 files, 2 errors"]);
    let said = folder.sluice(&["check", "b", "c/"]);
    says(
        &said,
        1,
        &[
            "\nc/.github/workflows/ci.yml:5:5: error[",
            "\nc/sluice.yaml:1:1: error[",
            "b/.github/workflows/called.yml:3:",
            "4 files",
        ],
    );
    let said = folder.sluice(&["check", "c/calls.yml", "c/calls.yml"]);
    says(&said, 1, &["called.yml:3:", "1 file, "]);
    let said = folder.sluice(&["check", "--format", "full", "a/ci.yml"]);
    says(&said, 1, &["--> a/ci.yml:5:5", "|     stepps:"]);
}

#[test]
fn a_missing_file_is_said() {
    says(&Repository::with(&[]).sluice(&["check", "nothing.yml"]), 2, &["cannot open nothing.yml"]);
    says(&Repository::with(&[]).sluice(&["compile", "nothing.yml"]), 2, &["cannot read nothing.yml"]);
    says(
        &Repository::with(&[]).sluice(&["eval", "github.ref", "--context", "no.json"]),
        2,
        &["cannot read no.json"],
    );
}

#[test]
fn a_single_file_is_read_for_what_it_is_called() {
    let repository = Repository::with(&[("draft.yml", "on: push\njobs: 7\n")]);
    let said = repository.sluice(&["check", "draft.yml"]);
    says(&said, 1, &["2:7: error"]);
    assert!(said.stdout.starts_with("draft.yml:2:7"), "{}", said.stdout);
}

#[test]
fn a_folder_without_pipelines_is_said() {
    let repository = Repository::with(&[("README.md", "hello")]);
    for verb in ["check", "plan"] {
        says(
            &repository.sluice(&[verb]),
            2,
            &["no pipeline in", ".github/workflows/*.yml", ".circleci/config.yml"],
        );
    }
}

#[test]
fn a_file_that_is_no_text_is_said() {
    let repository = Repository::with(&[]);
    repository.write(".github/workflows/ci.yml", b"on: push\nname: \xff\xfe\n");
    says(&repository.sluice(&["check"]), 2, &[".github/workflows/ci.yml:2:", "UTF-8"]);
}

#[test]
fn a_very_large_file_is_refused_at_once() {
    let repository = Repository::with(&[]);
    std::fs::create_dir_all(repository.path().join(".circleci")).unwrap();
    let file = std::fs::File::create(repository.path().join(".circleci/config.yml")).unwrap();
    // Sparse: it takes no room.
    file.set_len(100 << 20).unwrap();
    says(&repository.sluice(&["check"]), 2, &[".circleci/config.yml", "larger than 10 MiB"]);
}

#[test]
fn a_circle_of_links_ends() {
    let repository = Repository::with(&[(".github/workflows/ci.yml", GOOD)]);
    std::os::unix::fs::symlink(".", repository.path().join(".github/workflows/loop")).unwrap();
    std::os::unix::fs::symlink("self.yml", repository.path().join(".github/workflows/self.yml")).unwrap();
    says(&repository.sluice(&["check"]), 2, &["self.yml", "cannot be read"]);
}

#[test]
fn a_repository_without_commits_is_said() {
    let repository = Repository::folder(&[(".github/workflows/ci.yml", GOOD)]);
    says(&repository.sluice(&["plan"]), 2, &["is in no git repository"]);
    repository.git(&["init", "--quiet"]);
    says(&repository.sluice(&["plan"]), 2, &["has no commit yet"]);
    says(&repository.sluice(&["check"]), 0, &[]);
}

#[test]
fn a_plan_says_what_runs_and_why_the_rest_does_not() {
    let repository =
        Repository::with(&[(".github/workflows/ci.yml", GOOD), (".circleci/config.yml", CIRCLE)]);
    let said = repository.sluice(&["plan"]);
    says(&said, 0, &["push main at ", "build", "hold waits for an approval", ".circleci/config.yml"]);
    let said = repository.sluice(&["plan", "--ref", "feature/x"]);
    says(&said, 0, &["not run:", "branches: [main]", "feature/x"]);
    let said = repository.sluice(&["plan", "--event", "pull_request", "--json"]);
    let plan: serde_json::Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(plan["trigger"]["event"], "pull_request");
    assert!(plan["not_run"].as_array().is_some_and(|reasons| !reasons.is_empty()), "{plan}");
}

#[test]
fn an_event_that_there_is_not_gets_a_suggestion() {
    let repository = Repository::with(&[(".github/workflows/ci.yml", GOOD)]);
    says(&repository.sluice(&["plan", "--event", "pull_requst"]), 2, &["pull_request"]);
}

#[test]
fn a_config_compiles_to_what_compiles_to_itself() {
    let repository = Repository::with(&[(".circleci/config.yml", CIRCLE)]);
    let once = repository.sluice(&["compile"]);
    says(&once, 0, &["type: approval"]);
    repository.write(".circleci/config.yml", once.stdout.as_bytes());
    assert_eq!(repository.sluice(&["compile"]).stdout, once.stdout);
}

#[test]
fn an_expression_is_evaluated_in_its_context() {
    let repository = Repository::folder(&[("context.json", r#"{"github": {"ref": "refs/heads/main"}}"#)]);
    let said = repository.sluice(&[
        "eval",
        "github.ref == 'refs/heads/MAIN'",
        "--context",
        "context.json",
        "--json",
    ]);
    assert_eq!((said.code, said.stdout.as_str()), (0, "true\n"));
    let said = repository.sluice(&["eval", "on ${{ github.ref }}", "--context", "context.json"]);
    assert_eq!((said.code, said.stdout.as_str()), (0, "on refs/heads/main\n"));
    says(&repository.sluice(&["eval", "fromJSON("]), 1, &["error: "]);
}
