use sluice_plan::{Container, EnvEntry, Executor};

use super::text;
use crate::world::{StepExt, TINY, World, circle, circleci, secret, steps_of};

fn set(names: &[&str], value: &str) -> Vec<EnvEntry> {
    let entry = |name: &&str| EnvEntry::Set { name: (*name).to_owned(), value: text(value) };
    names.iter().map(entry).collect()
}

#[tokio::test]
async fn the_nearer_value_wins() {
    for world in World::both().await {
        let show = "echo $A $B $C $D $CIRCLE_JOB $CI; A=shell eval 'echo $A'";
        let mut order = circleci(vec![circle(show).env("A", "step"), circle("echo $A $B $C $D")]);
        // Project and contexts come as one, the contexts' over the project's.
        for name in ["A", "B", "C", "CIRCLE_JOB", "CI"] {
            order.secrets.insert(name.to_owned(), sluice_wire::Secret::new("ctx"));
        }
        order.vars = [("C".to_owned(), "project".to_owned()), ("A".to_owned(), "project".to_owned())].into();
        let container = Container { env: set(&["C", "D"], "container"), ..Container::of_image(text(TINY)) };
        steps_of(&mut order).executor = Executor::Docker { container };
        steps_of(&mut order).env = set(&["A", "B", "CI"], "job");
        let done = world.run(order).await;
        done.succeeded();
        // `ctx` is three letters long and a whole secret: it is masked.
        assert_eq!(done.output(1), "step job *** container build job\nshell\n");
        assert_eq!(done.output(2), "job job *** container\n");
    }
}

#[tokio::test]
async fn what_circleci_sets_is_there() {
    for world in World::both().await {
        let mut order = circleci(vec![circle(
            "for name in CI CIRCLECI CIRCLE_BRANCH CIRCLE_BUILD_NUM CIRCLE_JOB CIRCLE_NODE_INDEX CIRCLE_NODE_TOTAL \
             CIRCLE_PIPELINE_ID CIRCLE_PROJECT_REPONAME CIRCLE_PROJECT_USERNAME CIRCLE_SHA1 CIRCLE_USERNAME \
             CIRCLE_WORKING_DIRECTORY CIRCLE_TAG CIRCLE_PR_NUMBER; do echo $name=${!name-unset}; done
             for name in CIRCLE_WORKFLOW_ID CIRCLE_WORKFLOW_JOB_ID CIRCLE_WORKFLOW_WORKSPACE_ID CIRCLE_PROJECT_ID \
             CIRCLE_ORGANIZATION_ID; do echo ${#name} ${!name//[0-9a-f]/}; done
             [ -d $CIRCLE_INTERNAL_TASK_DATA ] && [ -f $BASH_ENV ] && cd ${CIRCLE_WORKING_DIRECTORY/#\\~/$HOME} && echo $PWD",
        )]);
        let sha = order.trigger.sha.to_string();
        secret(&mut order, "OTHER", "hidden-value");
        let done = world.run(order).await;
        done.succeeded();
        let output = done.output(1);
        let expected = format!(
            "CI=true\nCIRCLECI=true\nCIRCLE_BRANCH=master\nCIRCLE_BUILD_NUM=3\nCIRCLE_JOB=build\nCIRCLE_NODE_INDEX=0\n\
             CIRCLE_NODE_TOTAL=1\nCIRCLE_PIPELINE_ID=00000000-0000-0000-0000-000000000002\n\
             CIRCLE_PROJECT_REPONAME=store\nCIRCLE_PROJECT_USERNAME=acme\nCIRCLE_SHA1={sha}\nCIRCLE_USERNAME=ada\n\
             CIRCLE_WORKING_DIRECTORY=~/project\nCIRCLE_TAG=unset\nCIRCLE_PR_NUMBER=unset\n18 ----\n22 ----\n28 ----\n\
             17 ----\n22 ----\n"
        );
        assert_eq!(output[..expected.len()], expected);
        assert!(output.ends_with("/project\n"), "{output}");
    }
}

#[tokio::test]
async fn bash_env_is_read_before_each_step_and_may_change_the_path() {
    for world in World::both().await {
        let done = world
            .run(circleci(vec![
                circle(
                    "mkdir -p ~/own; echo 'echo own program' > ~/own/mine; chmod +x ~/own/mine
                     echo 'export PATH=$HOME/own:$PATH' >> \"$BASH_ENV\"; echo 'export GREETING=\"hi there\"' >> $BASH_ENV
                     echo \"${GREETING-unset}\"; source $BASH_ENV; echo $GREETING",
                ),
                circle("mine; echo $GREETING; circleci version > /dev/null"),
                circle("echo $GREETING").env("BASH_ENV", "/dev/null"),
            ]))
            .await;
        done.succeeded();
        assert_eq!(done.output(1), "unset\nhi there\n");
        assert_eq!(done.output(2), "own program\nhi there\n");
        assert_eq!(done.output(3), "\n");
    }
}
