use sluice_plan::{Action, Background, Dialect, Executor, Plan, Step};
use sluice_runner::unsupported;

use crate::world::{job, run, run_with, step, template, uses};

fn refused(executor: Executor, steps: Vec<Step>) -> Vec<String> {
    let plan = Plan {
        dialect: Dialect::Github,
        file: "ci.yml".to_owned(),
        workflow: "CI".to_owned(),
        run_name: None,
        env: Vec::new(),
        defaults: Default::default(),
        concurrency: None,
        permissions: None,
        jobs: vec![job(executor, steps)],
    };
    unsupported(&plan).iter().map(ToString::to_string).collect()
}

fn labels(label: &str) -> Executor {
    Executor::Labels { labels: vec![template(label)], group: None, container: None }
}

#[test]
fn what_cannot_be_done_is_named_with_its_place() {
    let mut background = run("x");
    background.background = Background::Joined;
    for (steps, part) in [
        (vec![uses("actions/setup-node@v4", &[])], "the action `actions/setup-node@v4` is not supported yet"),
        (vec![uses("actions/checkout@v4", &[("ssh-key", "x")])], "the input `ssh-key`"),
        (vec![background], "`background: true`"),
        (vec![step(Action::WaitAll)], "`wait`"),
        (vec![step(Action::Parallel { steps: vec![] })], "`parallel`"),
        (vec![step(Action::AddSshKeys { fingerprints: vec![] })], "`add_ssh_keys`"),
        (vec![run_with("x", |run| run.shell = Some(template("cmd")))], "the shell `cmd`"),
    ] {
        let found = refused(labels("ubuntu-latest"), steps);
        assert_eq!(found.len(), 1, "{part}: {found:?}");
        assert!(
            found[0].starts_with("ci.yml:3:7: error[runner/not-supported]") && found[0].contains(part),
            "{found:?}"
        );
    }
    assert!(refused(labels("windows-2022"), vec![])[0].contains("ci.yml:1:7"));
    let fine = vec![
        run("x"),
        uses("actions/checkout@v4", &[("fetch-depth", "0"), ("submodules", "recursive"), ("lfs", "false")]),
    ];
    assert_eq!(refused(labels("ubuntu-latest"), fine), [""; 0]);
}
