//! A push to production and back, through the binary alone: server, git, jobs on the host, registry, gates, services.

use std::time::Duration;

use crate::server::{Server, World, eventually};

#[test]
fn a_push_reaches_production_behind_its_gate_and_comes_back() {
    let world = World::new();
    let mut server = Server::start(&world);
    let shop = server.shop();
    shop.push("1.0.0");
    let run = shop.await_run("1.0.0", "waiting");

    let refused = shop.developer.sluice(&["approve", "production"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains("managers"), "{}", refused.stderr);
    assert_eq!(shop.live("production"), None, "nothing is live before its gate is open");

    let approved = shop.manager.sluice(&["approve", "production", "--comment", "looks good"]);
    assert_eq!(approved.code, 0, "{approved:?}");
    shop.await_live("production", "1.0.0");
    eventually("the run ends green", || shop.run(run)["state"] == "success");

    // The release has exactly the image that the run tested.
    let tested = shop.developer.sluice(&["logs", &run.to_string(), "test"]).stdout;
    let tested =
        tested.lines().find_map(|line| line.strip_prefix("tested: ")).map(|digest| digest.trim().to_owned());
    let releases = shop.developer.json(&["releases", "--json"]);
    assert_eq!(releases[0]["images"]["app"]["digest"].as_str(), tested.as_deref(), "{releases}");

    shop.push("1.1.0");
    shop.await_run("1.1.0", "waiting");
    assert_eq!(shop.manager.sluice(&["approve", "production"]).code, 0);
    shop.await_live("production", "1.1.0");

    let back = shop.developer.sluice(&["rollback", "production"]);
    assert_eq!(back.code, 0, "{back:?}");
    assert_eq!(shop.live("production").as_deref(), Some("1.0.0"));
    assert_eq!(shop.served("production"), "1.0.0");
    server.stop();
    assert_eq!(world.teardown().code, 0);
    assert_eq!(world.leftovers(), "", "something is left after teardown");
}

#[test]
fn a_run_on_a_persons_own_machine_delivers_to_the_server_behind_its_gates() {
    let world = World::new();
    let mut server = Server::start(&world);
    let shop = server.shop();
    shop.push_and_cancel("1.0.0");

    shop.write("1.1.0");
    let refused = shop.run_here();
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.stderr.contains("has uncommitted changes"), "{}", refused.stderr);

    shop.push_and_cancel("1.1.0");
    let said = std::thread::scope(|scope| {
        let run = scope.spawn(|| shop.run_here());
        shop.await_live("dev", "1.1.0");
        // The approval job was approved here; production is the server's, and asks its own people.
        eventually("production asks its managers", || {
            shop.developer.sluice(&["status"]).stdout.contains("waits for managers")
        });
        let refused = shop.developer.sluice(&["approve", "production"]);
        assert_eq!(refused.code, 1, "{refused:?}");
        assert_eq!(shop.manager.sluice(&["approve", "production"]).code, 0);
        run.join().unwrap()
    });
    assert_eq!(said.code, 0, "{said:?}");
    assert_eq!(shop.live("production").as_deref(), Some("1.1.0"));
    assert_eq!(shop.served("production"), "1.1.0");
    let tested = said.stdout.lines().find_map(|line| line.split_once("tested: sha256:"));
    let tested = tested.map(|(_, digest)| format!("sha256:{}", digest.trim()));
    let releases = shop.developer.json(&["releases", "--json"]);
    assert_eq!(releases[0]["images"]["app"]["digest"].as_str(), tested.as_deref(), "{releases}");
    assert_eq!(releases[0]["run"], serde_json::Value::Null, "no run of the server made it");
    for (args, reason) in [
        (
            &["deploy", "dev", "--tag", "nowhere"][..],
            "there is no image `shop/app:nowhere` in the registry: push it first",
        ),
        (&["deploy", "dev"], "outside of the server's jobs, `sluice deploy` needs"),
        (&["deploy", "moon", "--tag", "nowhere"], "moon"),
    ] {
        let refused = shop.developer.sluice(args);
        assert_eq!(refused.code, 1, "{args:?}: {refused:?}");
        assert!(refused.stderr.contains(reason), "{args:?}: {}", refused.stderr);
    }
    assert!(
        !said.stdout.contains(&shop.token()) && !said.stderr.contains(&shop.token()),
        "the token is told"
    );
    server.stop();
    assert_eq!(world.teardown().code, 0);
}

#[test]
fn a_service_that_says_another_version_is_never_live() {
    let world = World::new();
    let mut server = Server::start(&world);
    let shop = server.shop();
    shop.push("1.0.0");
    shop.await_run("1.0.0", "waiting");
    // A service that lies about its version: the build writes another one into it than it labels the image with.
    shop.push_lying("1.1.0", "9.9.9");
    shop.await_run("1.1.0", "failure");
    assert_eq!(shop.live("dev").as_deref(), Some("1.0.0"));
    assert_eq!(shop.served("dev"), "1.0.0");
    let status = shop.developer.sluice(&["status"]).stdout;
    assert!(status.contains("9.9.9"), "{status}");
    server.stop();
    world.teardown();
}

/// The whole way with the server killed at random moments: it comes to the same end.
#[test]
fn a_server_that_is_killed_at_ten_random_moments_goes_on() {
    let seed = std::env::var("SLUICE_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(7);
    println!("SLUICE_SEED={seed}");
    let world = World::new();
    let mut server = Server::start(&world);
    let shop = server.shop();
    let mut chance = sluice_testkit::Random::new(seed);
    shop.push("1.0.0");
    let mut version = 0;
    for _ in 0..10 {
        std::thread::sleep(Duration::from_millis(chance.below(1_500) as u64));
        server.kill_and_restart(&world);
        if shop.live("dev").as_deref() == Some("1.0.0") && version == 0 {
            shop.push("1.1.0");
            version = 1;
        }
        // Refused while nothing waits: that is for the next moment.
        let _ = shop.manager.sluice(&["approve", "production"]);
    }
    if version == 0 {
        shop.await_live("dev", "1.0.0");
        shop.push("1.1.0");
    }
    eventually("the second version is live in production", || {
        let _ = shop.manager.sluice(&["approve", "production"]);
        shop.live("production").as_deref() == Some("1.1.0")
    });
    assert_eq!(shop.served("production"), "1.1.0");
    let releases = shop.developer.json(&["releases", "--json"]);
    let mut versions: Vec<_> =
        releases.as_array().unwrap().iter().map(|release| release["version"].to_string()).collect();
    versions.sort();
    assert_eq!(
        versions,
        ["\"1.0.0\"", "\"1.1.0\""],
        "each version is one release, however often the server died"
    );
    let runs = shop.developer.json(&["runs", "--json"]);
    assert_eq!(runs.as_array().unwrap().len(), 2, "each push made one run: {runs}");
    server.stop();
    world.teardown();
    assert_eq!(world.leftovers(), "");
}
