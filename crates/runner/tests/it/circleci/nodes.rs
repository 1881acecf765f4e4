//! `parallelism`: what the instances of one job share, and what not.

use sluice_model::Conclusion::Failure;
use sluice_model::{InstanceId, JobId, RunId};
use sluice_plan::{Action, Step, Value};
use sluice_wire::{JobEvent, JobOrder};

use super::text;
use crate::world::{World, circle, circleci, step};

fn node(mut order: JobOrder, index: u32, total: u32) -> JobOrder {
    order.instance = InstanceId::new(order.job.id.clone(), index);
    let number = |number: u32| Value::Number(f64::from(number));
    order.strategy =
        Value::Object(vec![("job-index".to_owned(), number(index)), ("job-total".to_owned(), number(total))]);
    order
}

fn of_run(mut order: JobOrder, run: u64) -> JobOrder {
    order.run = RunId(run);
    order
}

/// A report in which every file of the list took as many seconds as it says, as one node's share of the list.
fn report_of(list: &str) -> Vec<Step> {
    let script = format!(
        "printf '{list}' > all; circleci tests split --split-by=timings all 2> err > mine || exit 1
         mkdir -p results; {{ echo '<testsuite name=\"s\">'
         while read f; do echo \"<testcase name='t' file='$f' time='${{f#t}}'/>\"; done < mine; echo '</testsuite>'; }} > results/r.xml
         echo $(while read f; do echo -n \"$f \"; done < mine)"
    );
    vec![circle(&script), step(Action::StoreTestResults { path: text("results") })]
}

#[tokio::test]
async fn times_of_earlier_runs_balance_later_ones() {
    for world in World::both().await {
        let steps = report_of("t1\\nt2\\nt3\\nt6\\n");
        let share = async |run: u64, index: u32| {
            let done = world.run(of_run(node(circleci(steps.clone()), index, 2), run)).await;
            done.succeeded();
            done.output(1).trim().to_owned()
        };
        // Without times, in turn: 1 + 3 against 2 + 6. With them, 6 against 1 + 2 + 3.
        assert_eq!((share(1, 0).await, share(1, 1).await), ("t1 t3".to_owned(), "t2 t6".to_owned()));
        assert_eq!((share(2, 0).await, share(2, 1).await), ("t6".to_owned(), "t1 t2 t3".to_owned()));
    }
}

#[tokio::test]
async fn a_file_of_another_folder_of_the_job_is_found_again() {
    let world = World::host().await;
    let script = "echo '<testsuite><testcase name=\"t\" file=\"'$PWD'/b\" time=\"5\"/><testcase name=\"t\" file=\"c\" time=\"1\"/></testsuite>' > r.xml
        printf \"a\\n$PWD/b\\nc\\n\" | circleci tests split --split-by=timings --total 2 --index 0 2>&1";
    let steps = vec![circle(script), step(Action::StoreTestResults { path: text("r.xml") })];
    world.run(of_run(circleci(steps.clone()), 1)).await.succeeded();
    let done = world.run(of_run(circleci(steps), 2)).await;
    done.succeeded();
    let output = done.output(1);
    assert!(
        output.starts_with("No timing found for \"a\"\n") && output.ends_with("/project/b\n"),
        "{output}"
    );
}

#[tokio::test]
async fn nodes_keep_their_artifacts_and_results_apart() {
    for world in World::both().await {
        let run = async |index: u32| {
            let script = "mkdir out; echo $CIRCLE_NODE_INDEX of $CIRCLE_NODE_TOTAL > out/same; pwd > ~/own; ls ~
                echo \"<testsuite><testcase name='n$CIRCLE_NODE_INDEX'><failure/></testcase></testsuite>\" > r.xml";
            let order = circleci(vec![
                circle(script),
                step(Action::StoreArtifacts { path: text("out"), destination: None }),
                step(Action::StoreTestResults { path: text("r.xml") }),
            ]);
            world.run(node(order, index, 2)).await
        };
        let (first, second) = tokio::join!(run(0), run(1));
        for (index, done) in [first, second].iter().enumerate() {
            done.succeeded();
            assert!(done.events.contains(&JobEvent::TestsStored { passed: 0, failed: 1, skipped: 0 }));
            assert_eq!(done.report.failed_tests[0].name, format!("n{index}"));
            let name = format!("build/{index}/out");
            let folder = world.runner.artifact_folder(RunId(7), &name);
            let content = std::fs::read_to_string(folder.join("same")).unwrap();
            assert_eq!(content, format!("{index} of 2\n"));
        }
    }
}

#[tokio::test]
async fn a_later_jobs_files_lie_over_an_earlier_ones_and_nodes_must_not_meet() {
    for world in World::both().await {
        let of_job = |name: &str, upstream: &[(&str, &[&str])], steps: Vec<Step>| {
            let mut order = circleci(steps);
            order.job.id = JobId::new(name);
            order.instance = InstanceId::new(order.job.id.clone(), 0);
            let names = |list: &[&str]| list.iter().map(|name| JobId::new(*name)).collect::<Vec<_>>();
            order.upstream = upstream.iter().map(|(job, needs)| (JobId::new(*job), names(needs))).collect();
            order
        };
        let make = |file: &str, content: &str| {
            let persist = Action::PersistToWorkspace { root: text("."), paths: vec![text("d")] };
            vec![circle(&format!("mkdir -p d; echo {content} > d/{file}")), step(persist)]
        };
        let look = vec![step(Action::AttachWorkspace { at: text("in") }), circle("cat in/d/*")];
        // Made in the other order than they are needed in.
        world.run(of_job("last", &[], make("x", "last"))).await.succeeded();
        world.run(of_job("first", &[], make("x", "first"))).await.succeeded();
        world.run(of_job("aside", &[], make("y", "aside"))).await.succeeded();
        let chain: &[(&str, &[&str])] = &[("first", &[]), ("last", &["first"])];
        let done = world.run(of_job("look", chain, look.clone())).await;
        done.succeeded();
        assert_eq!(done.output(2), "last\n");
        let beside: &[(&str, &[&str])] = &[("first", &[]), ("last", &[]), ("aside", &[])];
        let done = world.run(of_job("look", beside, look.clone())).await;
        assert_eq!(done.report.conclusion, Failure);
        let said = "Concurrent upstream jobs persisted the same file(s) into the workspace:\n  - d/x";
        assert!(done.all().contains(&format!("{said:?}").trim_matches('"').to_owned()), "{}", done.all());
        let beside: &[(&str, &[&str])] = &[("first", &[]), ("aside", &[])];
        assert_eq!(world.run(of_job("look", beside, look.clone())).await.output(2), "first\naside\n");
        // Two nodes of one job are beside one another, too.
        for index in 0..2 {
            world.run(node(of_job("nodes", &[], make("z", "z")), index, 2)).await.succeeded();
        }
        let done = world.run(of_job("look", &[("nodes", &[])], look)).await;
        assert!(done.all().contains("d/z"), "{}", done.all());
    }
}
