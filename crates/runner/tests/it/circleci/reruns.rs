use sluice_model::Conclusion::{Failure, Success};
use sluice_plan::{Reruns, Step};

use super::text;
use crate::world::{World, circleci, run_with};

fn flaky(script: &str, most: u32) -> Step {
    run_with(script, |run| {
        run.script = text(script);
        run.reruns = Some(Reruns { most, delay_s: 0 });
    })
}

#[tokio::test]
async fn a_failed_step_is_begun_again_as_often_as_it_may() {
    for world in World::both().await {
        let fails = "echo try >> tries; echo try; [ $(grep -c . tries) -ge 3 ]";
        let fails =
            fails.replace("$(grep -c . tries)", "$(n=0; while read l; do n=$((n+1)); done < tries; echo $n)");
        let done = world.run(circleci(vec![flaky(&fails, 5)])).await;
        done.succeeded();
        assert_eq!(done.output(1), "try\ntry\ntry\n");
        assert_eq!(done.outcomes(), [(1, Success, Success)]);
        assert!(done.all().contains("Rerunning the step, 2 of 5"), "{}", done.all());
        let done = world.run(circleci(vec![flaky("echo try; exit 4", 2), flaky("echo never", 1)])).await;
        assert_eq!((done.report.conclusion, done.output(1)), (Failure, "try\ntry\ntry\n".to_owned()));
        assert_eq!(done.output(2), "");
    }
}

#[tokio::test]
async fn a_cancel_ends_the_pause_before_a_rerun() {
    let world = World::host().await;
    let slow = run_with("exit 1", |run| run.reruns = Some(Reruns { most: 1, delay_s: 600 }));
    let cancel = tokio_util::sync::CancellationToken::new();
    let trigger = cancel.clone();
    let done = world
        .run_until(circleci(vec![slow]), cancel, move |event| {
            if format!("{event:?}").contains("Rerunning") {
                trigger.cancel();
            }
        })
        .await;
    assert_eq!(done.report.conclusion, sluice_model::Conclusion::Cancelled);
}
