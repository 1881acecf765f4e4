use sluice_model::Conclusion::Failure;
use sluice_plan::{Action, CacheWhen, Step, StepCondition};

use super::text;
use crate::world::{World, circle, circleci, secret, step};

fn save(key: &str) -> Step {
    let paths = vec![text("~/deps")];
    step(Action::SaveCache { key: text(key), paths, when: CacheWhen::OnSuccess, name: None })
}

fn restore(keys: &[&str]) -> Step {
    step(Action::RestoreCache { keys: keys.iter().map(|key| text(key)).collect() })
}

#[tokio::test]
async fn caches_are_found_by_the_beginning_of_their_key() {
    for world in World::both().await {
        let done = world
            .run(circleci(vec![
                step(Action::Checkout { path: None }),
                circle("mkdir ~/deps; echo dep > ~/deps/a"),
                save("v1-{{ arch }}-{{ checksum \"hello.txt\" }}"),
            ]))
            .await;
        done.succeeded();
        // `sha256sum < hello.txt`, in base64.
        let key = "amd64-WJG1tSLV3whtD/CxEPvZ0hu0/HFjrzTQgoai6Eb2vgM=";
        if std::env::consts::ARCH == "x86_64" {
            assert!(done.all().contains(&format!("v1-arch1-linux-{key}")), "{}", done.all());
        }
        let done = world
            .run(circleci(vec![
                step(Action::Checkout { path: None }),
                restore(&["v1-{{ arch }}-other", "v1-{{ arch }}-"]),
                circle("cat ~/deps/a"),
                restore(&["v2-"]),
                save("v3-{{ .Nope }}"),
            ]))
            .await;
        assert_eq!(done.output(3), "dep\n");
        assert!(done.all().contains("No cache is found") && done.all().contains(".Nope"), "{}", done.all());
    }
}

#[tokio::test]
async fn the_newest_cache_is_restored_even_beside_one_of_the_very_key() {
    let world = World::host().await;
    let done = world
        .run(circleci(vec![
            circle("mkdir ~/deps; echo first > ~/deps/a"),
            save("v1-app"),
            circle("echo second > ~/deps/a"),
            save("v1-app-new"),
            circle("echo third > ~/deps/a"),
            save("v1-app"),
            circle("rm -r ~/deps"),
            restore(&["v1-app"]),
            circle("cat ~/deps/a"),
        ]))
        .await;
    done.succeeded();
    assert_eq!(done.output(9), "second\n");
    assert!(done.all().contains("cache already exists for key: v1-app"), "{}", done.all());
}

#[tokio::test]
async fn a_key_names_what_the_job_knows() {
    let world = World::host().await;
    let mut order = circleci(vec![
        circle("mkdir ~/deps; echo x > ~/deps/a"),
        save(
            "{{ .Branch }}-{{.Revision}}-{{ .BuildNum }}-{{ .Environment.REGION }}-{{ .Environment.ABSENT }}",
        ),
        save("{{ checksum \"absent\" }}"),
    ]);
    secret(&mut order, "REGION", "north");
    let sha = order.trigger.sha.to_string();
    let done = world.run(order).await;
    assert_eq!(done.report.conclusion, Failure);
    // The region is a secret, so that the log masks it.
    assert!(done.all().contains(&format!("master-{sha}-3-***-<no value>")), "{}", done.all());
    assert!(done.all().contains("checksum is of `absent`, and there is no such file"), "{}", done.all());
}

#[tokio::test]
async fn a_cache_for_failures_is_saved_after_one() {
    let world = World::host().await;
    let on_fail = |key: &str, condition| {
        let mut made = save(key);
        made.condition = condition;
        made
    };
    let done = world
        .run(circleci(vec![
            circle("mkdir ~/deps; echo x > ~/deps/a; exit 1"),
            on_fail("failed", StepCondition::OnFail),
            on_fail("always", StepCondition::Always),
            save("never"),
        ]))
        .await;
    assert!(done.all().contains("Stored cache failed") && done.all().contains("Stored cache always"));
    assert!(!done.all().contains("never"), "{}", done.all());
}
