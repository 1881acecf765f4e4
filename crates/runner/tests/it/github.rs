use sluice_model::Conclusion::{Failure, Skipped, Success};
use sluice_plan::{EnvEntry, Named};
use tokio_util::sync::CancellationToken;

use crate::world::{StepExt, World, github, run, run_with, secret, steps_of, template, uses};

#[tokio::test]
async fn steps_run_with_their_environment_and_hand_on_what_they_set() {
    for world in World::both().await {
        let mut order = github(vec![
            run("echo \"$A $B $C ${{ env.B }}\"\necho \"C=step\" >> $GITHUB_ENV\necho '/added' >> $GITHUB_PATH\necho 'x=1' >> $GITHUB_OUTPUT")
                .id("first")
                .env("B", "own ${{ env.A }}"),
            run("echo \"$B $C ${PATH%%:*} ${{ steps.first.outputs.x }} ${{ steps.first.conclusion }}\""),
            run("cat <<'E' >> $GITHUB_OUTPUT\nmany<<D\na\nb\nD\nE").id("second"),
        ]);
        order.workflow_env = vec![EnvEntry::Set { name: "A".to_owned(), value: template("workflow") }];
        steps_of(&mut order).env =
            vec![EnvEntry::Set { name: "B".to_owned(), value: template("job ${{ env.A }}") }];
        order.job.outputs = vec![
            Named::new("x", template("${{ steps.first.outputs.x }}")),
            Named::new("many", template("${{ steps.second.outputs.many }}")),
        ];
        let done = world.run(order).await;
        done.succeeded();
        assert_eq!(done.output(1), "workflow own workflow  own workflow\n");
        assert_eq!(done.output(2), "job workflow step /added 1 success\n");
        assert_eq!(done.report.outputs["x"], "1");
        assert_eq!(done.report.outputs["many"], "a\nb");
    }
}

#[tokio::test]
async fn conditions_follow_how_the_job_stands() {
    for world in World::both().await {
        let order = github(vec![
            run("exit 3").id("soft").goes_on(),
            run("echo ${{ steps.soft.outcome }} ${{ steps.soft.conclusion }}"),
            run("exit 4"),
            run("echo never"),
            run("echo failed").when("failure()"),
            run("echo always ${{ job.status }}").when("always()"),
            run("echo no").when("github.ref == 'refs/heads/master'"),
            run("echo cleanup").when("!cancelled() && github.ref_name == 'master'"),
        ]);
        let done = world.run(order).await;
        assert_eq!(done.report.conclusion, Failure);
        assert_eq!(done.output(2), "failure success\n");
        assert_eq!(done.output(6), "always failure\n");
        let outcomes: Vec<_> =
            done.outcomes().into_iter().map(|(_, outcome, conclusion)| (outcome, conclusion)).collect();
        let plain = |outcome| (outcome, outcome);
        assert_eq!(
            outcomes,
            [
                (Failure, Success),
                plain(Success),
                plain(Failure),
                plain(Skipped),
                plain(Success),
                plain(Success),
                plain(Skipped),
                plain(Success)
            ]
        );
    }
}

#[tokio::test]
async fn shells_are_githubs() {
    for world in World::both().await {
        let shell =
            |name: &str, script: &str| run_with(script, |run| run.shell = Some(template(name))).goes_on();
        let done = world
            .run(github(vec![
                run("false | true; echo went on; set -o | grep pipefail || true"),
                shell("bash", "false | true; echo never"),
                shell("sh", "echo sh; false; echo never"),
                shell("bash {0} extra", "echo $1"),
                shell("nope {0}", "x"),
                shell("fish", "x"),
                run_with("pwd", |run| run.working_directory = Some(template("/"))),
            ]))
            .await;
        assert!(done.output(1).starts_with("went on\n"), "{}", done.all());
        assert_eq!(
            (done.output(2), done.output(3), done.output(4)),
            (String::new(), "sh\n".to_owned(), "extra\n".to_owned())
        );
        assert!(done.all().contains("there is no program `nope` here"), "{}", done.all());
        assert!(done.all().contains("and this is `fish`"), "{}", done.all());
        assert_eq!(done.output(7), "/\n");
    }
}

#[tokio::test]
async fn checkout_leaves_the_branch_and_the_files() {
    for world in World::both().await {
        let done = world
            .run(github(vec![
                uses("actions/checkout@v4", &[]).id("co"),
                run("cat hello.txt; ./dir/run.sh 2>/dev/null || sh dir/run.sh; git rev-parse HEAD; git symbolic-ref --short HEAD; pwd"),
                run("echo ${{ steps.co.outputs.ref }} ${{ github.workspace }} $GITHUB_SHA"),
                uses("actions/checkout@v4", &[("path", "again"), ("fetch-depth", "0")]),
                run("cat again/hello.txt; cd again; git log --oneline -1 | cat"),
            ]))
            .await;
        done.succeeded();
        let sha = crate::world::repository().1;
        let output = done.output(2);
        let lines: Vec<&str> = output.lines().collect();
        assert_eq!(&lines[..4], ["hello", "ran", sha, "master"], "{output}");
        assert!(lines[4].ends_with("/store/store"), "{output}");
        let workspace = lines[4];
        assert_eq!(done.output(3), format!("refs/heads/master {workspace} {sha}\n"));
        assert!(done.output(5).starts_with("hello\n"), "{}", done.all());
    }
}

#[tokio::test]
async fn commands_on_standard_output_are_obeyed() {
    for world in World::both().await {
        let done = world
            .run(github(vec![
                run("echo '::add-mask::hush'; echo 'it is hush'; echo '::error file=a.rs,line=3::bad hush'; echo '::group::G'"),
                run("echo '::set-env name=X::1'").goes_on(),
                run("echo \"x${X}x\""),
            ]))
            .await;
        done.succeeded();
        assert!(
            done.output(1).contains("it is ***\n") && done.output(1).contains("##[group]G"),
            "{}",
            done.all()
        );
        assert!(
            done.all().contains("message: \"bad ***\", file: Some(\"a.rs\"), line: Some(3)"),
            "{}",
            done.all()
        );
        assert_eq!(done.outcomes()[1], (2, Failure, Success));
        assert!(done.output(2).contains("`set-env` command is disabled"), "{}", done.all());
        assert_eq!(done.output(3), "xx\n");
    }
}

#[tokio::test]
async fn a_broken_command_file_fails_the_step() {
    let world = World::host().await;
    let done = world.run(github(vec![run("echo 'no sign' >> $GITHUB_OUTPUT")])).await;
    assert_eq!(done.report.conclusion, Failure);
    assert!(done.all().contains("Invalid format 'no sign'"), "{}", done.all());
}

#[tokio::test]
async fn an_output_that_holds_a_secret_is_left_out() {
    let world = World::host().await;
    let mut order = github(vec![
        run("echo \"x=pre-$TOKEN\" >> $GITHUB_OUTPUT").id("a").env("TOKEN", "${{ secrets.TOKEN }}"),
    ]);
    secret(&mut order, "TOKEN", "s3cret-value");
    order.job.outputs = vec![Named::new("x", template("${{ steps.a.outputs.x }}"))];
    let done = world.run(order).await;
    done.succeeded();
    assert!(done.report.outputs.is_empty());
    assert!(done.all().contains("Skip output 'x'") && !done.all().contains("s3cret-value"), "{}", done.all());
}

#[tokio::test]
async fn timeouts_and_cancels_stop_a_step_and_what_it_started() {
    for world in World::both().await {
        let mut slow = run("sleep 600 & sleep 600");
        slow.timeout_minutes = Some(sluice_plan::Late::Known(0.003));
        let done = world.run(github(vec![slow, run("echo cleaned").when("always()")])).await;
        assert_eq!(done.report.conclusion, Failure);
        assert_eq!(done.output(2), "cleaned\n");

        let cancel = CancellationToken::new();
        let trigger = cancel.clone();
        let order = github(vec![
            run("trap 'echo trapped; exit 0' INT; echo ready; while :; do sleep 0.05; done"),
            run("echo never"),
            run("echo last ${{ job.status }}").when("always()"),
        ]);
        let done = world
            .run_until(order, cancel, move |event| {
                if format!("{event:?}").contains("text: \"ready") {
                    trigger.cancel();
                }
            })
            .await;
        assert_eq!(done.report.conclusion, sluice_model::Conclusion::Cancelled, "{}", done.all());
        assert!(done.output(1).contains("trapped"), "{}", done.all());
        assert_eq!((done.output(2), done.output(3)), (String::new(), "last cancelled\n".to_owned()));
    }
}

/// As on GitHub: the step and the job are cancelled, what runs `always()` still does, and an annotation says why.
#[tokio::test]
async fn a_job_beyond_its_time_is_cancelled_and_cleans_up() {
    for world in World::both().await {
        let mut order = github(vec![
            run("sleep 600"),
            run("echo never"),
            run("echo failed").when("failure()"),
            run("echo told").when("cancelled()"),
            run("echo cleaned ${{ job.status }}").when("always()"),
        ]);
        order.job.timeout_minutes = Some(sluice_plan::Late::Known(0.05));
        let done = world.run(order).await;
        assert_eq!(done.report.conclusion, sluice_model::Conclusion::Cancelled, "{}", done.all());
        let why = "The job has exceeded the maximum execution time of 3s";
        assert_eq!(done.report.problem.as_deref(), Some(why));
        assert!(format!("{:?}", done.events).contains(why), "no annotation");
        let said = [2, 3, 4, 5].map(|step| done.output(step));
        assert_eq!(said, ["", "", "told\n", "cleaned cancelled\n"]);
    }
}

#[tokio::test]
async fn artifacts_and_caches_go_between_jobs() {
    for world in World::both().await {
        let first = github(vec![
            run("mkdir -p dist/sub ~/.store; echo a > dist/a; echo b > dist/sub/b; echo cached > ~/.store/c"),
            uses("actions/upload-artifact@v4", &[("name", "out"), ("path", "dist")]),
            uses("actions/cache@v4", &[("path", "~/.store"), ("key", "k-${{ github.sha }}")]).id("cache"),
            run("echo hit=${{ steps.cache.outputs.cache-hit }}"),
        ]);
        let done = world.run(first).await;
        done.succeeded();
        assert_eq!(done.output(4), "hit=\n");
        let file = world.runner.artifacts_folder(sluice_model::RunId(7)).join("out/sub/b");
        assert_eq!(std::fs::read_to_string(file).unwrap(), "b\n");
        let second = github(vec![
            uses("actions/download-artifact@v4", &[("name", "out"), ("path", "in")]),
            uses("actions/cache@v4", &[("path", "~/.store"), ("key", "k-${{ github.sha }}")]).id("cache"),
            run("cat in/a in/sub/b ~/.store/c; echo hit=${{ steps.cache.outputs.cache-hit }}"),
            uses("actions/download-artifact@v4", &[("name", "absent")]),
        ]);
        let done = world.run(second).await;
        assert_eq!(done.output(3), "a\nb\ncached\nhit=true\n");
        assert!(done.all().contains("Artifact not found for name: absent"), "{}", done.all());
    }
}

#[tokio::test]
async fn artifacts_leave_out_what_was_taken_out_and_hidden_files() {
    let make = "mkdir -p out/sub out/.cache; touch out/a out/b.tmp out/sub/c out/.hidden out/.cache/d";
    let world = World::host().await;
    let done = world
        .run(github(vec![
            run(make),
            uses("actions/upload-artifact@v4", &[("name", "unit-1"), ("path", "out\n!out/**/*.tmp")]),
            uses(
                "actions/upload-artifact@v4",
                &[("name", "unit-2"), ("path", "out"), ("include-hidden-files", "true")],
            ),
            uses("actions/upload-artifact@v4", &[("name", "other"), ("path", "out/a")]),
            uses("actions/upload-artifact@v4", &[("name", "none"), ("path", "nowhere\nout/.hidden")]),
            uses("actions/download-artifact@v4", &[("pattern", "unit-*"), ("path", "in")]),
            run("cd in; find . -type f | sort"),
            uses(
                "actions/download-artifact@v4",
                &[("pattern", "{unit-1,other}"), ("path", "merged"), ("merge-multiple", "true")],
            ),
            run("cd merged; find . -type f | sort"),
        ]))
        .await;
    done.succeeded();
    let all = "./unit-2/.cache/d\n./unit-2/.hidden\n./unit-2/a\n./unit-2/b.tmp\n./unit-2/sub/c\n";
    assert_eq!(done.output(7), format!("./unit-1/a\n./unit-1/sub/c\n{all}"));
    assert_eq!(done.output(9), "./a\n./sub/c\n");
    assert!(
        done.all().contains("No files were found with the provided path: nowhere, out/.hidden"),
        "{}",
        done.all()
    );
}

#[tokio::test]
async fn a_summary_is_told_masked_and_one_that_is_too_large_is_not() {
    let world = World::host().await;
    let mut order = github(vec![
        run("echo '### Coverage' >> $GITHUB_STEP_SUMMARY; echo 'key hunter2!' >> $GITHUB_STEP_SUMMARY"),
        run("head -c 1048577 /dev/zero | tr '\\0' x > $GITHUB_STEP_SUMMARY"),
        run("head -c 3000000 /dev/zero | tr '\\0' x > $GITHUB_STEP_SUMMARY"),
    ]);
    order.secrets.insert("KEY".to_owned(), sluice_wire::Secret::new("hunter2!"));
    let done = world.run(order).await;
    done.succeeded();
    let summaries: Vec<_> = done
        .events
        .iter()
        .filter_map(|event| match event {
            sluice_wire::JobEvent::Summary { step, text } => Some((*step, text.as_str())),
            _ => None,
        })
        .collect();
    assert_eq!(summaries, [(1, "### Coverage\nkey ***\n")]);
    assert!(done.all().contains("supports content up to a size of 1024k, got 1024k"), "{}", done.all());
    assert_eq!(done.all().matches("$GITHUB_STEP_SUMMARY upload aborted").count(), 4);
}
