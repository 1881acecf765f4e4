//! Steps beside each other. What runs at once is proved by pipes, which two have to open, and never by time.

use sluice_model::Conclusion::{Cancelled, Failure, Skipped, Success};
use sluice_plan::{Action, Background, Late, Step};
use tokio_util::sync::CancellationToken;

use crate::world::{StepExt, World, github, run, step};

fn beside(id: &str, script: &str) -> Step {
    let mut made = run(script).id(id);
    made.background = Background::Joined;
    made
}

fn ids(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

fn wait(steps: &[&str]) -> Step {
    step(Action::Wait { steps: ids(steps) })
}

fn cancel(id: &str) -> Step {
    step(Action::Cancel { steps: ids(&[id]) })
}

fn parallel(steps: Vec<Step>) -> Step {
    step(Action::Parallel { steps })
}

#[tokio::test]
async fn a_background_step_goes_on_beside_the_next_and_is_seen_after_a_wait() {
    let world = World::host().await;
    let done = world
        .run(github(vec![
            run("mkfifo to from"),
            beside(
                "bg",
                "read x < to; echo \"got $x\"; echo \"out=$x\" >> $GITHUB_OUTPUT; echo FROM=bg >> $GITHUB_ENV; echo /bg >> $GITHUB_PATH; echo back > from",
            ),
            // Neither of the two comes through its pipe alone.
            run("echo hello > to; cat from; echo \"[$FROM][${{ steps.bg.outputs.out }}][${{ steps.bg.outcome }}][${PATH%%:*}]\""),
            wait(&["bg"]).id("waited"),
            run("echo \"[$FROM][${{ steps.bg.outputs.out }}][${{ steps.bg.outcome }}][${PATH%%:*}][${{ steps.waited.outcome }}]\""),
        ]))
        .await;
    done.succeeded();
    assert_eq!(done.output(2), "got hello\n");
    assert!(done.output(3).starts_with("back\n[][][]["), "{}", done.output(3));
    assert!(!done.output(3).contains("/bg"), "{}", done.output(3));
    assert_eq!(done.output(5), "[bg][hello][success][/bg][success]\n");
    let text = done.all();
    assert!(text.contains("Waiting for background step(s) to complete: Run read x < to"), "{text}");
    assert!(text.contains("name: \"Wait for bg\""), "{text}");
}

#[tokio::test]
async fn a_failure_in_the_background_is_one_at_the_wait() {
    let world = World::host().await;
    let done = world
        .run(github(vec![
            run("mkfifo f"),
            beside("bg", "echo x > f; exit 3"),
            run("cat f; echo ${{ job.status }}"),
            wait(&["bg"]),
            run("echo never"),
            run("echo ${{ steps.bg.outcome }} ${{ job.status }}").when("failure()"),
        ]))
        .await;
    assert_eq!(done.report.conclusion, Failure);
    assert_eq!((done.output(3), done.output(6)), ("x\nsuccess\n".to_owned(), "failure failure\n".to_owned()));
    let mut outcomes = done.outcomes();
    outcomes.sort_by_key(|(step, ..)| *step);
    let outcomes: Vec<_> = outcomes.into_iter().map(|(_, outcome, _)| outcome).collect();
    assert_eq!(outcomes, [Success, Failure, Success, Failure, Skipped, Success]);
}

#[tokio::test]
async fn a_step_that_may_fail_fails_no_wait_and_one_that_nobody_waits_for_fails_the_job() {
    let world = World::host().await;
    let may_fail = github(vec![
        beside("soft", "exit 3").goes_on(),
        step(Action::WaitAll),
        run("echo ${{ steps.soft.outcome }} ${{ steps.soft.conclusion }}"),
    ]);
    let done = world.run(may_fail).await;
    done.succeeded();
    assert_eq!(done.output(3), "failure success\n");

    let done = world.run(github(vec![beside("bg", "exit 3"), run("echo on")])).await;
    assert_eq!(done.report.conclusion, Failure, "{}", done.all());
    assert_eq!(done.output(2), "on\n");

    // A wait that may fail lets the next steps run; the job fails all the same.
    let done = world
        .run(github(vec![
            beside("bg", "exit 3"),
            step(Action::WaitAll).goes_on(),
            run("echo on ${{ job.status }}"),
        ]))
        .await;
    assert_eq!((done.report.conclusion, done.output(3)), (Failure, "on success\n".to_owned()));
}

#[tokio::test]
async fn a_cancel_ends_a_background_step_and_leaves_the_job_as_it_was() {
    let world = World::host().await;
    let done = world
        .run(github(vec![
            run("mkfifo f"),
            beside(
                "server",
                "trap 'echo stopped; echo x=1 >> $GITHUB_OUTPUT; exit 0' INT; echo ready > f; while :; do sleep 0.05; done",
            ),
            run("cat f"),
            cancel("server"),
            run("echo ${{ steps.server.outcome }} ${{ steps.server.outputs.x }} ${{ job.status }}"),
            wait(&["server"]).goes_on(),
            run("echo last ${{ job.status }}"),
        ]))
        .await;
    done.succeeded();
    assert_eq!(done.output(2), "stopped\n");
    assert_eq!(
        (done.output(5), done.output(7)),
        ("cancelled 1 success\n".to_owned(), "last success\n".to_owned())
    );
    assert!(done.all().contains("Cancelling background step(s): Run trap"), "{}", done.all());

    // What had failed before it was cancelled has failed.
    let done = world
        .run(github(vec![beside("bg", "exit 3"), wait(&["bg"]).goes_on(), cancel("bg"), run("echo on")]))
        .await;
    assert_eq!((done.report.conclusion, done.output(4)), (Failure, "on\n".to_owned()));
}

#[tokio::test]
async fn the_steps_of_a_group_run_at_once_and_the_next_after_all() {
    let world = World::host().await;
    let done = world
        .run(github(vec![
            run("mkfifo one two"),
            parallel(vec![
                run("echo a > one; cat two; echo A=1 >> $GITHUB_ENV").id("a"),
                run("cat one; echo b > two; echo out=b >> $GITHUB_OUTPUT").id("b"),
                run("echo never").when("false"),
            ]),
            run("echo \"$A ${{ steps.b.outputs.out }}\""),
        ]))
        .await;
    done.succeeded();
    assert_eq!(
        (done.output(2), done.output(3), done.output(4)),
        ("b\n".to_owned(), "a\n".to_owned(), String::new())
    );
    assert_eq!(done.output(6), "1 b\n");

    let done = world
        .run(github(vec![
            parallel(vec![run("exit 1"), run("echo fine")]),
            run("echo never"),
            run("echo end").when("always()"),
        ]))
        .await;
    assert_eq!(
        (done.report.conclusion, done.output(2), done.output(4)),
        (Failure, "fine\n".to_owned(), String::new())
    );
    assert_eq!(done.output(5), "end\n");
}

#[tokio::test]
async fn ten_background_steps_run_at_once_and_the_rest_wait() {
    let world = World::host().await;
    let mut steps = vec![run("mkfifo started")];
    for number in 0..12 {
        let script =
            format!("> began.{number}; echo s > started; while [ ! -e release ]; do sleep 0.05; done");
        steps.push(beside(&format!("bg{number}"), &script));
    }
    steps.push(run("exec 3<>started; for i in 0 1 2 3 4 5 6 7 8 9; do read x <&3; done; ls -d began.* | wc -l; > release; read x <&3; read x <&3"));
    steps.push(step(Action::WaitAll));
    steps.push(run("ls -d began.* | wc -l"));
    let done = world.run(github(steps)).await;
    done.succeeded();
    assert_eq!((done.output(14).trim(), done.output(16).trim()), ("10", "12"));
}

#[tokio::test]
async fn limits_and_cancels_reach_the_background() {
    let world = World::host().await;
    let mut slow = beside("slow", "sleep 600");
    slow.timeout_minutes = Some(Late::Known(0.003));
    let done = world.run(github(vec![slow, wait(&["slow"])])).await;
    assert_eq!(done.report.conclusion, Failure);
    assert!(done.all().contains("The background step '"), "{}", done.all());

    let stop = CancellationToken::new();
    let trigger = stop.clone();
    let order = github(vec![
        // It would outlive a cancel in the foreground.
        beside("bg", "echo ready; sleep 600").when("always()"),
        wait(&["bg"]),
        run("echo never"),
        run("echo last ${{ steps.bg.outcome }} ${{ job.status }}").when("always()"),
    ]);
    let seen = move |event: &sluice_wire::JobEvent| {
        if format!("{event:?}").contains("text: \"ready") {
            trigger.cancel();
        }
    };
    let done = world.run_until(order, stop, seen).await;
    assert_eq!(done.report.conclusion, Cancelled, "{}", done.all());
    assert_eq!((done.output(3), done.output(4)), (String::new(), "last cancelled cancelled\n".to_owned()));
}
