use std::fs;
use std::time::{Duration, Instant};

use sluice_deploy::{Progress, RolloutFailed, RolloutKey};
use sluice_model::ServiceName;

use crate::world::{Load, World, address, commit, get, says, service, until, with_env};

#[tokio::test(flavor = "multi_thread")]
async fn releases_follow_each_other_without_a_failed_request() {
    let world = World::on_host();
    let (first, route) = world.deploy(&world.release("1", "1.0")).await;
    assert_eq!(says(route, "/").await, "1.0");
    assert_eq!(first.services[0].adopted, 0);
    let load = Load::on(route);
    for (key, version) in [("2", "2.0"), ("3", "3.0"), ("4", "4.0")] {
        let (report, again) = world.deploy(&world.release(key, version)).await;
        assert_eq!(again, route, "the route moved");
        assert_eq!(says(route, "/").await, version);
        assert_eq!(report.kept.len(), 1);
    }
    load.end_without_failures().await;
    // The live one and the kept one.
    until("the older ones are stopped", async || world.processes().len() == 2).await;
    let status = world.deployer.environments().unwrap().remove(0);
    assert_eq!(status.live.unwrap().version, "4.0");
    assert_eq!(status.kept[0].version, "3.0");
    let images = world.folder.path().join("deploy/images");
    until("their images are gone", async || fs::read_dir(&images).unwrap().count() == 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_is_a_switch_and_needs_no_image() {
    let world = World::on_host();
    let (first, route) = world.deploy(&world.release("1", "1.0")).await;
    world.deploy(&world.release("2", "2.0")).await;
    let load = Load::on(route);
    let back = world.release("3", "1.0");
    fs::remove_dir_all(world.folder.path().join("catalog")).unwrap();

    let began = Instant::now();
    let (report, steps) = world.rollout(&back).await.unwrap();
    let took = began.elapsed();
    assert!(took < Duration::from_secs(1), "it took {took:?}");
    assert_eq!(report.services[0].adopted, 1);
    assert_eq!(report.services[0].instances, first.services[0].instances);
    assert!(steps.iter().any(|step| matches!(step, Progress::Adopted { .. })), "{steps:?}");
    assert_eq!(says(route, "/").await, "1.0");
    load.end_without_failures().await;
    // And forward again, from the same instances.
    let status = world.deployer.environments().unwrap().remove(0);
    assert_eq!(status.kept[0].version, "2.0");
    assert_eq!(world.processes().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_live_stays_when_the_new_release_is_not_what_it_should_be() {
    let world = World::on_host();
    let (_, route) = world.deploy(&world.release("1", "1.0")).await;
    let load = Load::on(route);

    let mut sick = with_env(world.release("2", "2.0"), "BEHAVIOUR", "sick");
    sick.limits.ready_within_ms = 300;
    let failed = world.rollout(&sick).await.unwrap_err();
    assert!(matches!(&failed, RolloutFailed::NotReady { .. }), "{failed}");
    let message = failed.to_string();
    for part in
        ["service api: /healthz", "within 300 ms", "503 Service Unavailable: no database", "listening on"]
    {
        assert!(message.contains(part), "no `{part}` in {message}");
    }

    let crash = with_env(world.release("3", "3.0"), "BEHAVIOUR", "crash");
    let began = Instant::now();
    let failed = world.rollout(&crash).await.unwrap_err().to_string();
    assert!(began.elapsed() < Duration::from_secs(5), "it was waited for, though dead");
    let expected = "service api: an instance ended with exit code 3 before it was ready. Its last lines:\n  \
                    reading the configuration\n  cannot open the database";
    assert_eq!(failed, expected);

    let mut other = world.release("4", "4.0");
    other.version = "4.1".to_owned();
    let failed = world.rollout(&other).await.unwrap_err().to_string();
    assert!(
        failed.contains("/version of the new instance says version `4.0`, and version `4.1`"),
        "{failed}"
    );
    let mut other = world.release("5", "4.0");
    other.commit = commit("other");
    let failed = world.rollout(&other).await.unwrap_err();
    assert!(failed.to_string().contains("says commit `"), "{failed}");
    assert!(failed.is_final() && !failed.is_switched());

    let mut missing = world.release("6", "6.0");
    missing.services[0].image.digest = crate::world::digest("none");
    let failed = world.rollout(&missing).await.unwrap_err();
    assert!(failed.to_string().contains("is not to be had: the catalog: "), "{failed}");
    assert!(!failed.is_final(), "the registry may have it later");

    assert_eq!(says(route, "/").await, "1.0");
    load.end_without_failures().await;
    until("only the first release runs", async || world.processes().len() == 1).await;
    // A repeat says the same, without another attempt.
    let failed = world.rollout(&crash).await.unwrap_err();
    assert_eq!(failed.to_string(), expected);
    assert!(matches!(failed, RolloutFailed::Earlier { is_switched: false, .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn services_start_in_order_and_find_each_other() {
    let world = World::on_host();
    let mut spec = world.release("1", "1.0");
    let mut web = service("web-page", world.image("web", "1.0"));
    web.depends_on = vec![ServiceName::new("api")];
    // Healthy only when its peer answers, though nothing was live before.
    web.health_path = "/peer?API_URL".to_owned();
    web.replicas = 2;
    spec.services.insert(0, web);
    let spec = spec;
    let (report, steps) = world.rollout(&spec).await.unwrap();
    let started: Vec<_> = steps
        .iter()
        .filter_map(|step| match step {
            Progress::Started { service, .. } => Some(service.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(started, ["api", "web-page", "web-page"]);
    assert_eq!(says(address(&report, 0), "/peer?API_URL").await, "1.0");
    assert_eq!(says(address(&report, 1), "/env?WEB_PAGE_URL").await, report.services[0].url);

    // A second release of one service only leaves the other's instances alone.
    let mut second = world.release("2", "1.0");
    second.services = spec.services.clone();
    second.services[1].env.insert("MORE".to_owned(), sluice_deploy::EnvValue::new("1"));
    let (second, _) = world.rollout(&second).await.unwrap();
    assert_eq!(second.services[0].adopted, 2);
    assert_eq!(second.services[1].adopted, 0);
    assert_eq!(says(address(&second, 1), "/env?MORE").await, "1");

    // A service that a release has no more is not served any more; with the release it comes back.
    let mut third = world.release("3", "1.0");
    third.services[0] = spec.services[1].clone();
    world.rollout(&third).await.unwrap();
    let (status, body) = get(address(&report, 0), "/").await.unwrap();
    assert_eq!(status, 503, "{body}");
    let mut fourth = third.clone();
    fourth.key = RolloutKey::new("4");
    fourth.services = spec.services.clone();
    world.rollout(&fourth).await.unwrap();
    assert_eq!(says(address(&report, 0), "/").await, "1.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_release_that_fails_leaves_nothing_behind() {
    let world = World::on_host();
    let mut spec = world.release("1", "1.0");
    let mut web = service("web", world.image("web", "1.0"));
    web.depends_on = vec![ServiceName::new("api")];
    web.env.insert("BEHAVIOUR".to_owned(), sluice_deploy::EnvValue::new("crash"));
    spec.services.push(web);
    world.rollout(&spec).await.unwrap_err();
    until("nothing runs", async || world.processes().is_empty()).await;
    let routes = world.deployer.proxy().await.unwrap().list().await.unwrap();
    assert!(routes.iter().all(|route| route.upstreams.is_empty()), "{routes:?}");
    let (_, route) = world.deploy(&world.release("2", "1.0")).await;
    assert_eq!(says(route, "/").await, "1.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_of_a_process_is_its_own() {
    let world = World::on_host();
    let spec = with_env(world.release("1", "1.0"), "PASSWORD", "hunter2");
    let (report, route) = world.deploy(&spec).await;
    assert_eq!(says(route, "/env?PASSWORD").await, "hunter2");
    assert_eq!(says(route, "/env?FROM_IMAGE").await, "yes");
    assert_eq!(says(route, "/env?PORT").await, report.services[0].instances[0].port().to_string());
    // Nothing of the environment of whoever deploys, and no secret where others look.
    assert_eq!(says(route, "/env?CARGO_MANIFEST_DIR").await, "");
    for pid in world.processes() {
        assert!(!fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap().contains("hunter2"));
    }
    assert!(!format!("{spec:?}").contains("hunter2"));
    let found = std::process::Command::new("grep")
        .args(["-rlI", "hunter2"])
        .arg(world.folder.path().join("deploy"))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "", "the secret is in the state folder");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_dies_after_the_switch_is_found_out() {
    let world = World::on_host();
    world.deploy(&world.release("1", "1.0")).await;
    let mut spec = world.release("2", "2.0");
    spec.limits.verify_for_ms = 20_000;
    let deployer = world.deployer.clone();
    let watched = tokio::spawn({
        let spec = spec.clone();
        async move {
            let mut verifying = None;
            let outcome = deployer
                .rollout(&spec, |step| {
                    if let Progress::Switched { .. } = step {
                        verifying = Some(step);
                    }
                })
                .await;
            (outcome, verifying)
        }
    });
    until("it is switched", async || {
        let routes = world.deployer.proxy().await.unwrap().list().await.unwrap();
        let live = world.deployer.environments().unwrap().remove(0).live;
        live.is_some_and(|live| live.version == "2.0") && routes.len() == 1
    })
    .await;
    let route = ([127, 0, 0, 1], world.deployer.proxy().await.unwrap().list().await.unwrap()[0].port).into();
    let _ = get(route, "/die").await;
    let (outcome, verifying) = watched.await.unwrap();
    let failed = outcome.unwrap_err();
    assert!(verifying.is_some());
    assert!(failed.is_switched() && failed.is_final(), "{failed}");
    let message = failed.to_string();
    assert!(
        message.contains("after the switch: service api: instance 1 ended with exit code 7"),
        "{message}"
    );
    assert!(message.contains("told to die"), "{message}");

    // The way back is there, and the faulty release is not kept.
    let (report, route) = world.deploy(&world.release("3", "1.0")).await;
    assert_eq!(report.services[0].adopted, 1);
    assert_eq!(report.kept, Vec::<String>::new());
    assert_eq!(says(route, "/").await, "1.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn drift_is_found_and_a_repeat_mends_it() {
    let world = World::on_host();
    let spec = world.release("1", "1.0");
    let (_, route) = world.deploy(&spec).await;
    world.deployer.check(&spec).await.unwrap();
    let other = world.deployer.check(&world.release("x", "9.0")).await.unwrap_err();
    assert!(other.reason.contains("version 1.0"), "{other}");

    let pid = world.processes()[0];
    let _ = get(route, "/die").await;
    until("it is dead", async || world.processes().is_empty()).await;
    let drift = world.deployer.check(&spec).await.unwrap_err();
    assert!(drift.reason.contains("instance 1 ended with exit code 7"), "{drift}");
    let is_faulty = || world.deployer.environments().unwrap().remove(0).live.unwrap().is_faulty;
    assert!(is_faulty());

    let (report, _) = world.deploy(&spec).await;
    assert_eq!(report.services[0].adopted, 0);
    assert_ne!(world.processes(), [pid]);
    assert_eq!(says(route, "/").await, "1.0");
    world.deployer.check(&spec).await.unwrap();
    assert!(!is_faulty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_rollout_makes_an_older_one_give_way() {
    let world = World::on_host();
    let (_, route) = world.deploy(&world.release("1", "1.0")).await;
    let mut slow = with_env(world.release("slow", "2.0"), "BEHAVIOUR", "sick");
    slow.limits.ready_within_ms = 60_000;
    let deployer = world.deployer.clone();
    let older = tokio::spawn({
        let slow = slow.clone();
        async move { deployer.rollout(&slow, |_| {}).await }
    });
    until("the older one has started", async || world.processes().len() == 2).await;
    world.deploy(&world.release("quick", "3.0")).await;
    let failed = older.await.unwrap().unwrap_err();
    assert!(
        matches!(&failed, RolloutFailed::Superseded { by, .. } if *by == RolloutKey::new("quick")),
        "{failed}"
    );
    let failed = world.rollout(&slow).await.unwrap_err();
    assert!(matches!(failed, RolloutFailed::Superseded { .. }), "{failed}");
    // One that was done long ago is not done again.
    let (report, steps) = world.rollout(&world.release("1", "1.0")).await.unwrap();
    assert_eq!((report.services.len(), steps), (1, Vec::new()));
    assert_eq!(says(route, "/").await, "3.0");
    until("the older one's instance is stopped", async || world.processes().len() == 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_rollout_can_do_is_refused_before_anything_starts() {
    let world = World::on_host();
    let spec = || world.release("1", "1.0");
    let mut circle = spec();
    circle.services.push(service("web", world.image("web", "1.0")));
    circle.services[0].depends_on = vec![ServiceName::new("web")];
    circle.services[1].depends_on = vec![ServiceName::new("api")];
    let mut unknown = spec();
    unknown.services[0].depends_on = vec![ServiceName::new("none")];
    let mut twice = spec();
    twice.services.push(twice.services[0].clone());
    let mut none = spec();
    none.services.clear();
    let mut replicas = spec();
    replicas.services[0].replicas = 65;
    let mut path = spec();
    path.services[0].health_path = "healthz".to_owned();
    let variable = with_env(spec(), "A=B", "1");
    let mut many = spec();
    many.services = (0..101).map(|n| service(&format!("s{n}"), many.services[0].image.clone())).collect();
    for (spec, said) in [
        (circle, "the services api, web depend on each other in a circle"),
        (unknown, "service api depends on none, which the release does not have"),
        (twice, "service api is named twice"),
        (none, "the release has no service"),
        (replicas, "asks for 65 replicas: expected 1 to 64"),
        (path, "`healthz` is no path"),
        (variable, "`A=B` cannot be a variable"),
        (many, "101 services, and at most 100"),
    ] {
        let failed = world.rollout(&spec).await.unwrap_err();
        assert!(
            matches!(failed, RolloutFailed::Invalid { .. }) && failed.to_string().contains(said),
            "{failed}"
        );
    }
    let mut docker = spec();
    docker.target = sluice_deploy::Target::Docker;
    let failed = world.rollout(&docker).await.unwrap_err();
    assert!(matches!(failed, RolloutFailed::NoEngine { .. }), "{failed}");
    assert!(world.processes().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn teardown_leaves_nothing() {
    let world = World::on_host();
    world.deploy(&world.release("1", "1.0")).await;
    world.deploy(&world.release("2", "2.0")).await;
    let proxy = world.deployer.proxy().await.unwrap().status().await.unwrap().pid;
    world.deployer.teardown().await.unwrap();
    assert_eq!(world.processes(), Vec::<i32>::new());
    assert!(!std::path::Path::new(&format!("/proc/{proxy}/stat")).exists() || is_zombie(proxy));
    assert!(!world.folder.path().join("deploy").exists());
    world.deployer.teardown().await.unwrap();
}

fn is_zombie(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") Z "))
}
