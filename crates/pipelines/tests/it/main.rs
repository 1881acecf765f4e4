//! What runs for a trigger, over both dialects at once.

use sluice_model::{Event, Trigger, UserName};
use sluice_pipelines::{Files, Pipelines};

fn push(git_ref: &str) -> Trigger {
    Trigger {
        event: Event::Push,
        action: None,
        repository: "acme/shop".parse().unwrap(),
        git_ref: git_ref.to_owned(),
        sha: "a".repeat(40).parse().unwrap(),
        before: None,
        actor: UserName::new("ada"),
        base_ref: None,
        head_ref: None,
        changed_paths: None,
        image_chain: Vec::new(),
        inputs: Default::default(),
        payload: String::new(),
        subject: "Change".to_owned(),
    }
}

fn files() -> Files {
    let github = "on: { push: { branches: [main] } }\njobs:\n  build:\n    runs-on: ubuntu-latest\n    steps: [{ run: make }]\n";
    let circleci = concat!(
        "version: 2.1\n",
        "jobs:\n",
        "  build: { docker: [{ image: base }], steps: [checkout, { run: make }] }\n",
        "  push: { docker: [{ image: base }], steps: [{ run: make push }] }\n",
        "workflows:\n",
        "  deliver:\n",
        "    jobs:\n",
        "      - build\n",
        "      - push: { requires: [build], filters: { branches: { only: /^main$/ } } }\n",
    );
    [(".github/workflows/ci.yml", github), (".circleci/config.yml", circleci), ("README.md", "not: [read")]
        .map(|(path, text)| (path.to_owned(), text.to_owned()))
        .into()
}

#[test]
fn both_dialects_run_for_a_push_to_main() {
    let files = files();
    let selection = Pipelines::new(&files).select(&push("refs/heads/main"), 7, "main");
    assert!(!selection.has_errors(), "{:?}", selection.diagnostics);
    let names: Vec<_> =
        selection.plans.iter().map(|plan| (plan.workflow.as_str(), plan.jobs.len())).collect();
    assert_eq!(names, [("deliver", 2), (".github/workflows/ci.yml", 1)]);
    assert_eq!(selection.not_run, []);
}

#[test]
fn what_does_not_run_says_why() {
    let files = files();
    let selection = Pipelines::new(&files).select(&push("refs/heads/feature/x"), 7, "main");
    let reasons: Vec<_> = selection.not_run.iter().map(ToString::to_string).collect();
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    assert!(reasons[0].starts_with("deliver / push: "), "{reasons:?}");
    assert!(reasons[0].contains("/^main$/") && reasons[0].contains("feature/x"), "{reasons:?}");
    assert!(reasons[1].contains("branches: [main]") && reasons[1].contains("feature/x"), "{reasons:?}");
}

#[test]
fn a_file_with_an_error_runs_nothing_and_the_others_do() {
    let mut files = files();
    files.insert(
        ".github/workflows/broken.yml".to_owned(),
        "on: push\njobs: { x: { steps: [] } }\n".to_owned(),
    );
    let selection = Pipelines::new(&files).select(&push("refs/heads/main"), 7, "main");
    assert!(selection.has_errors());
    assert!(selection.diagnostics.iter().all(|d| d.location.path == ".github/workflows/broken.yml"));
    assert_eq!(selection.plans.len(), 2);
}

#[test]
fn a_repository_without_pipelines_says_so() {
    let files: Files = [("README.md".to_owned(), String::new())].into();
    assert!(Pipelines::new(&files).is_empty());
    assert!(Pipelines::new(&files).check().is_empty());
}

#[test]
fn a_way_in_for_strangers_is_an_error_to_check_and_runs_all_the_same() {
    let text = "on: push\njobs:\n  a:\n    runs-on: x\n    steps: [{ run: 'echo ${{ github.event.head_commit.message }}' }]\n";
    let files: Files = [(".github/workflows/a.yml".to_owned(), text.to_owned())].into();
    let found = Pipelines::new(&files).check();
    assert!(found.iter().any(|finding| finding.is_error() && !finding.help.is_empty()), "{found:?}");
    let selection = Pipelines::new(&files).select(&push("refs/heads/main"), 1, "main");
    assert!(!selection.has_errors());
    assert_eq!(selection.plans.len(), 1);
}

#[test]
fn what_circleci_would_refuse_at_the_start_is_found_by_a_check() {
    let text = "version: 2.1\njobs:\n  build: { docker: [{ image: base }], parallelism: 0, steps: [run: { command: make, when: never }] }\n  mac: { macos: { xcode: 16.0.0 }, steps: [run: make] }\nworkflows:\n  one: { jobs: [build, mac] }\n  two: { jobs: [build] }\n";
    let files = Files::new();
    let found = Pipelines::new(&files).check_file(".circleci/config.yml", text);
    let found: Vec<String> =
        found.iter().map(|found| format!("{} {}", found.location.line, found.message)).collect();
    assert_eq!(
        found,
        ["3 `when` of a step is one of `on_success`, `on_fail`, `always`, and this is `never`"]
    );
}
