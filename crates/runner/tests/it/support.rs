use sluice_plan::{Action, ActionLock, Background, Dialect, Executor, Plan, Step};
use sluice_runner::unsupported;
use sluice_wire::{Secret, SshKey};

use crate::world::{job, run, run_with, step, template, uses};

fn refused(executor: Executor, steps: Vec<Step>) -> Vec<String> {
    refused_with(executor, steps, None)
}

fn refused_with(executor: Executor, steps: Vec<Step>, lock: Option<ActionLock>) -> Vec<String> {
    let found = unsupported(&plan_of(executor, steps, lock), &[]);
    found.iter().map(ToString::to_string).collect()
}

fn plan_of(executor: Executor, steps: Vec<Step>, lock: Option<ActionLock>) -> Plan {
    Plan {
        dialect: Dialect::Github,
        file: "ci.yml".to_owned(),
        workflow: "CI".to_owned(),
        run_name: None,
        env: Vec::new(),
        defaults: Default::default(),
        concurrency: None,
        permissions: None,
        lock,
        jobs: vec![job(executor, steps)],
        calls: Vec::new(),
        max_auto_reruns: 0,
    }
}

fn labels(label: &str) -> Executor {
    Executor::Labels { labels: vec![template(label)], group: None, container: None }
}

#[test]
fn a_key_that_was_not_given_is_named_with_its_place() {
    let key = SshKey {
        md5: "ab:cd:ef".to_owned(),
        sha256: "SHA256:Xyz".to_owned(),
        host: None,
        private: Secret::new("x"),
    };
    let keys = std::slice::from_ref(&key);
    let found = |fingerprints: &[&str], keys: &[SshKey]| {
        let fingerprints = fingerprints.iter().map(|named| (*named).to_owned()).collect();
        let plan = plan_of(labels("ubuntu-latest"), vec![step(Action::AddSshKeys { fingerprints })], None);
        unsupported(&plan, keys).iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    };
    for fine in [&[][..], &["ab:cd:ef"], &["MD5:AB:CD:EF", "SHA256:Xyz"], &["Xyz"]] {
        assert_eq!(found(fine, keys), "", "{fine:?}");
    }
    let missing = "ci.yml:3:7: error[runner/no-ssh-key]: `add_ssh_keys` ";
    assert_eq!(found(&[], &[]), format!("{missing}adds SSH keys, and none was given"));
    for other in ["ab:cd", "SHA256:xyz", ""] {
        let expected = format!("{missing}names the key `{other}`, which was not given");
        assert_eq!(found(&["Xyz", other], keys), expected);
    }
}

#[test]
fn what_cannot_be_done_is_named_with_its_place() {
    for (steps, part) in [
        (vec![uses("actions/setup-node@..", &[])], "`actions/setup-node@..` is no repository at a ref"),
        (vec![uses("actions/checkout@v4", &[("ssh-key", "x")])], "the input `ssh-key`"),
        (
            vec![step(Action::Parallel { steps: vec![step(Action::WaitAll)] })],
            "a step of `parallel` is one with `run` or `uses`",
        ),
        (
            vec![step(Action::Parallel {
                steps: vec![run_with("x", |run| run.shell = Some(template("cmd")))],
            })],
            "the shell `cmd`",
        ),
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
    let mut background = run("x");
    background.background = Background::Joined;
    let fine = vec![
        run("x"),
        background,
        step(Action::Parallel { steps: vec![run("x"), run("y")] }),
        step(Action::Wait { steps: vec!["a".to_owned()] }),
        step(Action::Cancel { steps: vec!["a".to_owned()] }),
        step(Action::WaitAll),
        uses("actions/checkout@v4", &[("fetch-depth", "0"), ("submodules", "recursive"), ("lfs", "false")]),
        uses("./own", &[]),
        uses("acme/greet/sub@v1", &[]),
        uses("docker://alpine:3", &[]),
    ];
    assert_eq!(refused(labels("ubuntu-latest"), fine), [""; 0]);
}

#[test]
fn a_lock_has_to_know_every_action_that_is_not_pinned() {
    let lock = ActionLock::parse("acme/greet@v1 0123456789012345678901234567890123456789").unwrap();
    let steps = vec![
        uses("Acme/greet/sub@v1", &[]),
        uses("acme/greet@0123456789012345678901234567890123456789", &[]),
        uses("acme/greet@v2", &[]),
        uses("actions/cache@v4", &[("path", "x"), ("key", "x")]),
    ];
    let found = refused_with(labels("ubuntu-latest"), steps, Some(lock));
    assert_eq!(
        found,
        [
            "ci.yml:3:7: error[runner/not-locked]: `acme/greet@v2` is not in sluice.lock, so that no commit of it may run"
        ]
    );
}
