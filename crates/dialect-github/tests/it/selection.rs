use sluice_dialect_github::{Selection, read};
use sluice_model::{Event, Trigger, UserName};

fn push(git_ref: &str) -> Trigger {
    Trigger {
        event: Event::Push,
        action: None,
        repository: "acme/store".parse().unwrap(),
        git_ref: git_ref.to_owned(),
        sha: "a".repeat(40).parse().unwrap(),
        before: None,
        actor: UserName::new("ann"),
        base_ref: None,
        head_ref: None,
        changed_paths: None,
        image_chain: Vec::new(),
        inputs: Default::default(),
        payload: String::new(),
        subject: String::new(),
    }
}

fn branch(name: &str) -> Trigger {
    push(&format!("refs/heads/{name}"))
}

fn tag(name: &str) -> Trigger {
    push(&format!("refs/tags/{name}"))
}

fn changing(paths: &[&str]) -> Trigger {
    Trigger { changed_paths: Some(paths.iter().map(|path| (*path).to_owned()).collect()), ..branch("main") }
}

fn pull_request(action: Option<&str>, base: &str) -> Trigger {
    Trigger {
        event: Event::PullRequest,
        action: action.map(str::to_owned),
        base_ref: Some(base.to_owned()),
        head_ref: Some("feature".to_owned()),
        ..push("refs/pull/7/merge")
    }
}

/// `expect` is the reason, or empty where the workflow runs.
fn check(on: &str, trigger: &Trigger, expect: &str) {
    let text = format!("on: {on}\njobs: {{ a: {{ runs-on: x }} }}\n");
    let workflow = read("ci.yml", &text, &|_| None).workflow.expect(on);
    let got = match workflow.select(trigger) {
        Selection::Selected => String::new(),
        Selection::NotSelected { reason } => reason,
    };
    assert_eq!(got, expect, "{on}");
}

#[test]
fn by_event() {
    check("push", &branch("main"), "");
    check("[pull_request, release]", &branch("main"), "`on: [pull_request, release]` does not name `push`");
    check("{ workflow_dispatch: }", &Trigger { event: Event::WorkflowDispatch, ..branch("main") }, "");
}

#[test]
fn by_branch_and_tag() {
    let main = "{ push: { branches: [main, 'v*'] } }";
    check(main, &branch("main"), "");
    check(main, &branch("feature/x"), "`branches: [main, v*]` does not match `feature/x`");
    check(main, &tag("v1"), "`branches: [main, v*]` takes branches only, and `v1` is a tag");
    let ignored = "{ push: { branches-ignore: ['wip/**'] } }";
    check(ignored, &branch("wip/a/b"), "`branches-ignore: [wip/**]` matches `wip/a/b`");
    check(ignored, &branch("main"), "");
    let tags = "{ push: { tags: ['version*'] } }";
    check(tags, &tag("version1.2"), "");
    check(tags, &branch("main"), "`tags: [version*]` takes tags only, and `main` is a branch");
    let both = "{ push: { branches: [main], tags: ['v*', '!v*-rc'] } }";
    check(both, &branch("main"), "");
    check(both, &tag("v1-rc"), "`tags: [v*, !v*-rc]` does not match `v1-rc`");
    check("{ push: { branches: } }", &branch("main"), "");
}

#[test]
fn by_path() {
    let docs = "{ push: { paths: ['docs/**', '!docs/private/**'] } }";
    check(docs, &changing(&["src/a.rs", "docs/a.md"]), "");
    check(
        docs,
        &changing(&["docs/private/a"]),
        "`paths: [docs/**, !docs/private/**]` matches no changed path (only `docs/private/a` changed)",
    );
    check(
        docs,
        &changing(&["a", "b", "c"]),
        "`paths: [docs/**, !docs/private/**]` matches no changed path (`a` and 2 more changed)",
    );
    check(docs, &branch("main"), "");
    check(docs, &Trigger { changed_paths: Some(vec!["a".to_owned()]), ..tag("v1") }, "");
    let ignored = "{ push: { paths-ignore: ['**.md'] } }";
    check(ignored, &changing(&["a.md", "b/c.md"]), "`paths-ignore: [**.md]` matches every changed path");
    check(ignored, &changing(&["a.md", "b.rs"]), "");
}

#[test]
fn by_activity_type() {
    check("pull_request", &pull_request(Some("synchronize"), "main"), "");
    check("pull_request", &pull_request(None, "main"), "");
    check(
        "pull_request",
        &pull_request(Some("labeled"), "main"),
        "`types: [opened, synchronize, reopened]` does not match `labeled`",
    );
    let closed = "{ pull_request: { types: closed } }";
    check(closed, &pull_request(Some("closed"), "main"), "");
    check(
        closed,
        &pull_request(None, "main"),
        "`types: [closed]` does not match a new or changed pull request",
    );
    let release = Trigger { event: Event::Release, action: Some("created".to_owned()), ..tag("v1") };
    check("release", &release, "");
    check("{ release: { types: [published] } }", &release, "`types: [published]` does not match `created`");
}

#[test]
fn a_pull_request_is_filtered_by_the_branch_that_it_would_enter() {
    let main = "{ pull_request: { branches: [main] } }";
    check(main, &pull_request(None, "main"), "");
    check(main, &pull_request(None, "refs/heads/release"), "`branches: [main]` does not match `release`");
}
