use sluice_dialect_circleci::{Outcome, PipelineValues};
use sluice_model::{Event, Trigger};
use sluice_plan::Work;

use crate::support::{config_with, push, with_jobs};

/// A line for each workflow: its jobs, or why not; a line for each job that is left out.
fn selected(rest: &str, trigger: &Trigger) -> String {
    let config = config_with(&with_jobs(rest), &PipelineValues::of_trigger(trigger, 7, "main"));
    let mut lines = Vec::new();
    for selection in config.select(trigger) {
        lines.push(match selection.outcome {
            Outcome::Runs(plan) => {
                let jobs: Vec<String> = plan
                    .jobs
                    .iter()
                    .map(|job| {
                        let needs: Vec<&str> = job.needs.iter().map(|need| need.job.as_str()).collect();
                        let shown = format!("{}({})", job.id, needs.join(" "));
                        match &job.work {
                            Work::Refused(why) => format!("{shown} refused, {}", why.message),
                            _ => shown,
                        }
                    })
                    .collect();
                format!("{}: {}", selection.workflow, jobs.join(" "))
            }
            Outcome::DoesNotRun(reason) => format!("{}: no, {reason}", selection.workflow),
            Outcome::Refused(why) => format!("{}: refused, {}", selection.workflow, why[0].message),
        });
        lines.extend(selection.left_out.iter().map(|left| format!("  {}: {}", left.job, left.reason)));
    }
    lines.join("\n")
}

#[test]
fn a_branch_runs_what_its_filters_let_in() {
    let rest = "
workflows:
  w:
    jobs:
      - a
      - b: {requires: [a], filters: {branches: {only: /master/}}}
      - c: {requires: [b]}
      - hold: {type: approval, requires: [a, b]}
";
    assert_eq!(selected(rest, &push("refs/heads/master")), "w: a() b(a) c(b) hold(a b)");
    // What is left out does not hold up what requires something else too.
    assert_eq!(
        selected(rest, &push("refs/heads/feature/x")),
        "w: a() hold(a)\n  b: `branches: only: /master/` does not match `feature/x`\n  c: `b`, which it requires, is left out"
    );
}

#[test]
fn a_tag_runs_only_what_filters_tags() {
    let rest = "
workflows:
  w:
    jobs:
      - a: {filters: {tags: {only: /v.*/}, branches: {ignore: /.*/}}}
      - b: {requires: [a], filters: {tags: {only: /v.*/}}}
      - c: {requires: [a]}
";
    assert_eq!(
        selected(rest, &push("refs/tags/v1")),
        "w: a() b(a)\n  c: `v1` is a tag, and only jobs with `filters: tags` run for tags"
    );
    assert_eq!(
        selected(rest, &push("refs/tags/x")),
        "w: no, all of its 3 jobs are left out\n  a: `tags: only: /v.*/` does not match `x`\n  b: `tags: only: /v.*/` does not match `x`\n  c: `x` is a tag, and only jobs with `filters: tags` run for tags"
    );
}

#[test]
fn a_filter_may_be_a_condition() {
    let rest = "
workflows:
  w: {jobs: [a, b: {filters: 'pipeline.git.branch == \"main\" or pipeline.git.branch starts-with \"rel\"'}]}
";
    assert_eq!(selected(rest, &push("refs/heads/release")), "w: a() b()");
    assert_eq!(
        selected(rest, &push("refs/heads/x")),
        "w: a()\n  b: `filters: pipeline.git.branch == \"main\" or pipeline.git.branch starts-with \"rel\"` does not hold"
    );
}

#[test]
fn when_is_told_with_what_it_came_to() {
    let rest = "
workflows:
  w: {when: {equal: [main, << pipeline.git.branch >>]}, jobs: [a]}
  u: {unless: {equal: [x, << pipeline.git.branch >>]}, jobs: [a]}
";
    assert_eq!(
        selected(rest, &push("refs/heads/x")),
        "w: no, `when: equal: [main, << pipeline.git.branch >>]` does not hold (`equal: [main, x]`)\nu: no, `unless: equal: [x, << pipeline.git.branch >>]` holds (`equal: [x, x]`)"
    );
}

#[test]
fn other_events_than_pushes() {
    let rest = "
workflows:
  pushed: {jobs: [a]}
  nightly: {triggers: [schedule: {cron: 0 0 * * *, filters: {branches: {only: main}}}], jobs: [b]}
";
    let mut trigger = push("refs/heads/main");
    assert_eq!(selected(rest, &trigger), "pushed: a()\nnightly: no, it runs by the clock: `cron: 0 0 * * *`");
    trigger.event = Event::Schedule;
    assert_eq!(
        selected(rest, &trigger),
        "pushed: no, it runs on pushes: it has no `triggers: - schedule`\nnightly: b()"
    );
    trigger.git_ref = "refs/heads/x".to_owned();
    assert!(selected(rest, &trigger).ends_with("nightly: no, `branches: only: main` does not match `x`"));
    trigger.event = Event::PullRequest;
    assert!(
        selected(rest, &trigger)
            .starts_with("pushed: no, CircleCI runs workflows on pushes, not on `pull_request`")
    );
}

#[test]
fn what_has_no_runner_is_refused_by_name() {
    let jobs = "
  mac: {macos: {xcode: '15'}, steps: [checkout]}
  win: {machine: {image: 'windows-server-2022-gui:current'}, steps: [checkout]}
  rel: {type: release, plan_name: x}
workflows: {m: {jobs: [mac, a]}, w: {jobs: [win]}, r: {jobs: [rel]}}
";
    assert_eq!(
        selected(jobs, &push("refs/heads/main")),
        "m: mac() refused, the job `mac` runs on macOS, for which Sluice has no runner a()\nw: win() refused, the job `win` runs on Windows, for which Sluice has no runner\nr: rel() refused, the job `rel` has `type: release`, which needs CircleCI itself"
    );
}

#[test]
fn the_sample_repository_delivers_from_master_through_its_approvals() {
    let text = include_str!("../../../../examples/storefront/.circleci/config.yml");
    let trigger = push("refs/heads/master");
    let config = config_with(text, &PipelineValues::of_trigger(&trigger, 1, "master"));
    let selections = config.select(&trigger);
    let [selection] = selections.as_slice() else { panic!("{selections:?}") };
    let Outcome::Runs(plan) = &selection.outcome else { panic!("{selection:?}") };
    assert_eq!(selection.left_out, []);
    let gates: Vec<&str> =
        plan.jobs.iter().filter(|job| job.gate.is_some()).map(|job| job.id.as_str()).collect();
    assert!(gates.contains(&"approve-dev") && gates.len() >= 2, "{gates:?}");
}
