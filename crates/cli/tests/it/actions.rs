//! Actions and workflows of other repositories: taken from a mirror, and locked.

use crate::repository::{Repository, Said, says};

const CI: &str = ".github/workflows/ci.yml";

/// A repository whose `mirror/` folder is no part of it, with these repositories in it, each tagged `v1`.
fn repository(workflow: &str, mirror: &[(&str, &[(&str, &str)])]) -> Repository {
    let repository = Repository::with(&[(CI, workflow), (".gitignore", "mirror\n")]);
    for (name, files) in mirror {
        for (path, text) in *files {
            repository.write(&format!("mirror/{name}/{path}"), text.as_bytes());
        }
        let folder = format!("mirror/{name}");
        repository.git(&["-C", &folder, "init", "--quiet", "--initial-branch=main"]);
        commit(&repository, name);
    }
    repository
}

/// Commits what is in a repository of the mirror, and has `v1` stand for it.
fn commit(repository: &Repository, name: &str) {
    let folder = format!("mirror/{name}");
    repository.git(&["-C", &folder, "add", "--all"]);
    repository.git(&["-C", &folder, "commit", "--quiet", "--message", "One"]);
    repository.git(&["-C", &folder, "tag", "--force", "v1"]);
}

fn sluice(repository: &Repository, verb: &[&str]) -> Said {
    repository.sluice(&[verb, &["--actions-mirror", "mirror"]].concat())
}

fn greet(text: &str) -> String {
    format!(
        "runs: {{ using: composite, steps: [{{ run: echo greet {text}, shell: sh }}, {{ uses: acme/inner@v1 }}] }}"
    )
}

const INNER: &str = "runs: { using: composite, steps: [{ run: echo inner, shell: sh }] }";
const USES: &str =
    "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: Acme/Greet@v1\n";

#[test]
fn the_lock_keeps_the_commit_that_an_action_is_taken_at() {
    let first = greet("first");
    let mirror: [(&str, &[(&str, &str)]); 2] =
        [("acme/greet", &[("action.yml", &first)]), ("acme/inner", &[("action.yml", INNER)])];
    let repository = repository(USES, &mirror);
    let run = ["run", "--runner", "host"];
    says(&sluice(&repository, &run), 0, &["a | greet first", "a | inner"]);
    assert!(!repository.path().join("sluice.lock").exists(), "a run writes nothing to the tree");
    says(
        &sluice(&repository, &["lock"]),
        0,
        &["+ Acme/Greet@v1", "+ acme/inner@v1", "sluice.lock has 2 entries"],
    );
    repository.write("mirror/acme/greet/action.yml", greet("second").as_bytes());
    commit(&repository, "acme/greet");
    says(&sluice(&repository, &run), 0, &["a | greet first"]);
    says(&sluice(&repository, &["lock"]), 0, &["sluice.lock has 2 entries"]);
    says(&sluice(&repository, &run), 0, &["a | greet first"]);
    says(&sluice(&repository, &["lock", "--update"]), 0, &["~ Acme/Greet@v1"]);
    says(&sluice(&repository, &run), 0, &["a | greet second"]);
    // Nothing runs that the lock does not know.
    repository.write(CI, USES.replace("Greet@v1", "Greet@main").as_bytes());
    let refused = sluice(&repository, &run);
    says(
        &refused,
        2,
        &["error[runner/not-locked]: `Acme/Greet@main` is not in sluice.lock", "ci.yml:6:9", "sluice lock"],
    );
    repository.write("sluice.lock", b"what is this\n");
    says(&sluice(&repository, &run), 2, &["sluice.lock:1:1", "lock/entry"]);
    says(&sluice(&repository, &["lock"]), 2, &["sluice.lock:1:1"]);
}

#[test]
fn a_reusable_workflow_of_another_repository_is_fetched() {
    let caller =
        "on: push\njobs:\n  call:\n    uses: acme/flows/.github/workflows/a.yml@v1\n    with: { who: Ada }\n";
    let a = "on: { workflow_call: { inputs: { who: { type: string } } } }\njobs:\n  say: { runs-on: ubuntu-latest, steps: [{ run: \"echo hello ${{ inputs.who }}\" }] }\n  more: { uses: ./.github/workflows/b.yml }\n";
    let b = "on: { workflow_call: }\njobs:\n  b: { runs-on: ubuntu-latest, steps: [{ run: echo of b }] }\n";
    let files: [(&str, &str); 2] = [(".github/workflows/a.yml", a), (".github/workflows/b.yml", b)];
    let repository = repository(caller, &[("acme/flows", &files)]);
    says(&sluice(&repository, &["plan"]), 0, &["call/say", "call/more/b"]);
    says(
        &sluice(&repository, &["run", "--runner", "host"]),
        0,
        &["call / say | hello Ada", "call / more / b | of b"],
    );
    says(&sluice(&repository, &["lock"]), 0, &["+ acme/flows@v1", "sluice.lock has 1 entry"]);
    repository.write("mirror/acme/flows/.github/workflows/b.yml", b.replace("of b", "changed").as_bytes());
    commit(&repository, "acme/flows");
    says(&sluice(&repository, &["run", "--runner", "host"]), 0, &["call / more / b | of b"]);
    repository.write(CI, caller.replace("@v1", "@main").as_bytes());
    says(&sluice(&repository, &["run", "--runner", "host"]), 2, &["`acme/flows@main` is not in sluice.lock"]);
    repository.write(CI, caller.replace("a.yml@v1", "none.yml@v1").as_bytes());
    says(&sluice(&repository, &["run", "--runner", "host"]), 2, &["none.yml@v1`: there is no such workflow"]);
}
