mod caches;
mod environment;
mod helper;
mod nodes;
mod reruns;

use sluice_model::Conclusion::{Cancelled, Failure, Success};
use sluice_plan::{Action, Background, StepCondition, Template};
use sluice_wire::{JobEvent, TestOutcome};

use crate::world::{World, circle, circleci, run_with, step, steps_of};

fn text(text: &str) -> Template {
    Template::literal(text)
}

#[tokio::test]
async fn a_job_checks_out_and_hands_its_workspace_on() {
    for world in World::both().await {
        let done = world
            .run(circleci(vec![
                step(Action::Checkout { path: None }),
                circle("cat hello.txt; git symbolic-ref --short HEAD; pwd; echo $CIRCLE_BRANCH $CIRCLE_NODE_TOTAL; echo '${{ x }}'"),
                circle("mkdir -p /tmp/out-$$ dist/deep; echo one > dist/deep/1; echo two > dist/2.txt; echo no > other"),
                step(Action::PersistToWorkspace { root: text("."), paths: vec![text("dist/*.txt"), text("dist/deep")] }),
            ]))
            .await;
        done.succeeded();
        let output = done.output(2);
        let lines: Vec<&str> = output.lines().collect();
        assert_eq!(
            (lines[0], lines[1], lines[3], lines[4]),
            ("hello", "master", "master 1", "${{ x }}"),
            "{output}"
        );
        assert!(lines[2].ends_with("/project"), "{output}");
        let attach = || {
            circleci(vec![
                step(Action::AttachWorkspace { at: text("~/in") }),
                circle("cat ~/in/dist/deep/1 ~/in/dist/2.txt; ls ~/in"),
            ])
        };
        let mut after = attach();
        after.upstream = [(sluice_model::JobId::new("build"), vec![])].into();
        let done = world.run(after).await;
        done.succeeded();
        assert_eq!(done.output(2), "one\ntwo\ndist\n");
        // A job that does not come after the other sees nothing of it.
        let done = world.run(attach()).await;
        assert_eq!(done.report.conclusion, Failure);
        assert!(done.all().contains("Applied 0 workspace layers"), "{}", done.all());
    }
}

#[tokio::test]
async fn a_failed_step_stops_the_job_but_for_what_is_for_failures() {
    for world in World::both().await {
        let with = |script: &str, condition| {
            let mut made = circle(script);
            made.condition = condition;
            made
        };
        let done = world
            .run(circleci(vec![
                circle("false | true\necho unreached"),
                circle("echo never"),
                with("echo on fail", StepCondition::OnFail),
                with("echo always", StepCondition::Always),
            ]))
            .await;
        assert_eq!(done.report.conclusion, Failure);
        assert_eq!(
            [done.output(1), done.output(2), done.output(3), done.output(4)],
            ["", "", "on fail\n", "always\n"].map(str::to_owned)
        );
    }
}

#[tokio::test]
async fn variables_reach_later_steps_by_bash_env_only() {
    for world in World::both().await {
        let mut order = circleci(vec![
            circle("export LOST=1; echo 'export KEPT=2' >> $BASH_ENV"),
            circle("echo \"x${LOST}x${KEPT} $JOB $OWN\""),
        ]);
        crate::world::secret(&mut order, "JOB", "project");
        crate::world::secret(&mut order, "OWN", "project");
        steps_of(&mut order).env =
            vec![sluice_plan::EnvEntry::Set { name: "OWN".to_owned(), value: text("the job's own") }];
        let done = world.run(order).await;
        done.succeeded();
        assert_eq!(done.output(2), "xx2 *** the job's own\n");
    }
}

#[tokio::test]
async fn a_background_step_ends_with_the_job() {
    for world in World::both().await {
        let mut background = circle("echo up > ready; while :; do sleep 0.1; done");
        background.background = Background::Detached;
        let done = world
            .run(circleci(vec![background, circle("while [ ! -s ready ]; do sleep 0.02; done; cat ready")]))
            .await;
        done.succeeded();
        assert_eq!(done.output(2), "up\n");
    }
}

#[tokio::test]
async fn silence_has_its_limit() {
    let world = World::host().await;
    let done =
        world.run(circleci(vec![run_with("sleep 600", |run| run.no_output_timeout_s = Some(1))])).await;
    assert_eq!(done.report.conclusion, Failure);
    assert!(done.all().contains("Too long with no output"), "{}", done.all());
}

#[tokio::test]
async fn test_results_and_artifacts_are_stored() {
    let xml = "<testsuite name='s'><testcase name='good'/><testcase name='bad' time='1.5'><failure message='no'/></testcase></testsuite>";
    for world in World::both().await {
        let done = world
            .run(circleci(vec![
                circle(&format!("mkdir -p results/unit; echo \"{xml}\" > results/unit/a.xml; echo '<broken' > results/b.xml")),
                step(Action::StoreTestResults { path: text("results") }),
                step(Action::StoreArtifacts { path: text("results"), destination: Some(text("reports")) }),
                step(Action::StoreArtifacts { path: text("absent"), destination: None }),
            ]))
            .await;
        done.succeeded();
        assert!(
            done.events.contains(&JobEvent::TestsStored { passed: 1, failed: 1, skipped: 0 }),
            "{}",
            done.all()
        );
        assert_eq!(done.report.failed_tests[0].name, "bad");
        assert_eq!(done.report.failed_tests[0].duration_ms, 1500);
        assert_eq!(done.report.failed_tests[0].outcome, TestOutcome::Failed { message: "no".to_owned() });
        let folder = world.runner.artifacts_folder(sluice_model::RunId(7));
        assert!(folder.join("build%2Freports/unit/a.xml").is_file());
    }
}

#[tokio::test]
async fn nothing_runs_after_a_cancel() {
    let world = World::host().await;
    let mut always = circle("echo always");
    always.condition = StepCondition::Always;
    let cancel = tokio_util::sync::CancellationToken::new();
    let trigger = cancel.clone();
    let order = circleci(vec![circle("echo begun; exec sleep 600"), always]);
    let done = world
        .run_until(order, cancel, move |event| {
            if matches!(event, JobEvent::Output { text, .. } if text.contains("begun\n")) {
                trigger.cancel();
            }
        })
        .await;
    assert_eq!(done.report.conclusion, Cancelled);
    assert_eq!(done.output(2), "");
}

#[tokio::test]
async fn nothing_is_checked_out_over_other_files() {
    for world in World::both().await {
        let done =
            world.run(circleci(vec![circle("echo x > before"), step(Action::Checkout { path: None })])).await;
        assert_eq!(done.report.conclusion, Failure);
        assert!(done.all().contains("is not empty, and no git repository"), "{}", done.all());
        let done = world
            .run(circleci(vec![
                circle("echo x > before"),
                step(Action::Checkout { path: Some(text("source")) }),
                step(Action::Checkout { path: Some(text("source")) }),
                circle("cat source/hello.txt"),
            ]))
            .await;
        done.succeeded();
        assert_eq!(done.output(4), "hello\n");
    }
}

#[tokio::test]
async fn the_shell_is_the_steps_or_the_jobs_or_bash() {
    for world in World::both().await {
        let shell = |name: &str, script: &str| {
            run_with(script, |run| {
                run.script = text(script);
                run.shell = Some(text(name));
            })
        };
        let mut order = circleci(vec![
            circle("echo $0 $-"),
            shell("/bin/bash", "false | true; false; echo goes on $-"),
            shell("/bin/bash -c", "echo $0"),
            shell("/bin/sh -u", "echo $UNSET; echo unreached"),
        ]);
        let done = world.run(order.clone()).await;
        assert_eq!(done.output(1), "/bin/bash ehBc\n");
        assert_eq!(done.output(2), "goes on hBc\n");
        assert_eq!(done.output(3), "/bin/bash\n");
        assert!(done.output(4).contains("UNSET") && done.report.conclusion == Failure, "{}", done.all());
        steps_of(&mut order).defaults.shell = Some(text("/bin/bash -x"));
        let done = world.run(order).await;
        assert!(done.output(1).contains("+ echo /bin/bash hxBc\n"), "{}", done.all());
    }
}

#[tokio::test]
async fn remote_docker_is_given_only_when_it_is_allowed() {
    let world = World::host().await;
    let mut order = circleci(vec![step(Action::SetupRemoteDocker { version: None, layer_caching: false })]);
    let done = world.run(order.clone()).await;
    assert_eq!(done.report.conclusion, Failure);
    assert!(done.all().contains("--allow-host-docker"), "{}", done.all());
    order.allow_host_docker = true;
    assert_eq!(world.run(order).await.report.conclusion, Success);
}
