use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;

use sluice_proxy::{Control, ControlError, Drain, Install, OpenRoute, Refusal, RouteKey, ServeError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::support::{Instance, Proxy, get, key, quick, run, until};

fn open(name: &str, port: Option<u16>) -> OpenRoute {
    OpenRoute { key: RouteKey::new(name).unwrap(), port, also_on: Vec::new() }
}

fn install(name: &str, generation: u64, upstream: &str) -> Install {
    Install { key: RouteKey::new(name).unwrap(), generation, upstreams: vec![upstream.parse().unwrap()] }
}

fn refusal<T: std::fmt::Debug>(outcome: Result<T, ControlError>) -> Refusal {
    match outcome {
        Err(ControlError::Refused(refusal)) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_order_never_overwrites_a_newer_one() {
    let proxy = Proxy::start(quick()).await;
    let name = key().to_string();
    let new = install(&name, 5, "127.0.0.1:4005");
    proxy.control.install(vec![new.clone()]).await.unwrap();
    // A repeat is harmless.
    proxy.control.install(vec![new]).await.unwrap();
    let late = proxy.control.install(vec![install(&name, 4, "127.0.0.1:4004")]).await;
    assert_eq!(refusal(late), Refusal::Stale { key: key(), seen: 4, current: 5 });
    let other = proxy.control.install(vec![install(&name, 5, "127.0.0.1:4006")]).await;
    assert_eq!(refusal(other), Refusal::Conflicting { key: key(), generation: 5 });
    let status = proxy.status().await;
    assert_eq!((status.generation, status.upstreams[0].address.port()), (5, 4005));
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_routes_of_an_order_are_switched_or_none() {
    let proxy = Proxy::start(quick()).await;
    proxy.control.open(vec![open("web", None)]).await.unwrap();
    proxy.control.install(vec![install("web", 3, "127.0.0.1:4000")]).await.unwrap();
    let orders = vec![install(key().as_str(), 1, "127.0.0.1:4001"), install("web", 2, "127.0.0.1:4001")];
    assert!(matches!(refusal(proxy.control.install(orders).await), Refusal::Stale { .. }));
    let orders = vec![install(key().as_str(), 1, "127.0.0.1:4001"), install("none", 9, "127.0.0.1:4001")];
    assert!(matches!(refusal(proxy.control.install(orders).await), Refusal::UnknownRoute { .. }));
    assert_eq!(proxy.status().await.generation, 0);
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_keeps_its_port() {
    let proxy = Proxy::start(quick()).await;
    let port = proxy.route.port();
    let again = proxy.control.open(vec![open(key().as_str(), None), open("web", None)]).await.unwrap();
    assert_eq!(again[0].port, port);
    assert_ne!(again[1].port, port);
    let moved = proxy.control.open(vec![open(key().as_str(), Some(1))]).await;
    assert_eq!(refusal(moved), Refusal::PortFixed { key: key(), seen: 1, current: port });
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = held.local_addr().unwrap().port();
    let refused = refusal(proxy.control.open(vec![open("other", Some(taken))]).await);
    assert!(matches!(&refused, Refusal::PortTaken { port, .. } if *port == taken), "{refused:?}");
    assert_eq!(proxy.control.list().await.unwrap().len(), 2);
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_much_or_no_order_is_refused() {
    let proxy = Proxy::start(quick()).await;
    let upstreams: Vec<SocketAddr> = (1..=65).map(|port| SocketAddr::from(([127, 0, 0, 1], port))).collect();
    let refused =
        refusal(proxy.control.install(vec![Install { key: key(), generation: 1, upstreams }]).await);
    assert!(matches!(refused, Refusal::TooMany { seen: 65, most: 64, .. }), "{refused:?}");
    let many = (0..1000).map(|number| open(&format!("route-{number}"), None)).collect();
    assert!(matches!(refusal(proxy.control.open(many).await), Refusal::TooMany { .. }));
    assert!(
        RouteKey::new("a b").is_err()
            && RouteKey::new("").is_err()
            && RouteKey::new("x".repeat(301)).is_err()
    );
    let unknown = Drain { key: RouteKey::new("none").unwrap(), upstreams: Vec::new(), deadline_ms: 0 };
    assert!(matches!(refusal(proxy.control.drain(vec![unknown]).await), Refusal::UnknownRoute { .. }));

    for (line, said) in [
        ("{\"verb\":\"dance\"}\n".to_owned(), "unknown variant"),
        ("x".repeat(4 * 1024 * 1024), "a line ended after 4194304"),
    ] {
        let mut stream = UnixStream::connect(proxy.folder.path().join("control.sock")).await.unwrap();
        // The proxy may close before it has read everything.
        let _ = stream.write_all(line.as_bytes()).await;
        let _ = stream.shutdown().await;
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
        assert!(answer.contains("not_understood") && answer.contains(said), "{answer}");
    }
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_come_back_with_the_process() {
    let proxy = Proxy::start(quick()).await;
    let (route, instance) = (proxy.route, Instance::named("live").await);
    proxy.install(7, &[instance.address]).await;
    let folder = proxy.stop().await;

    let control = Control::new(folder.path());
    let task = run(folder.path(), quick());
    until("it serves again", async || {
        control.list().await.is_ok_and(|routes| !routes[0].listening.is_empty())
    })
    .await;
    assert_eq!(get(route).await, (200, "live".to_owned()));
    assert_eq!(control.list().await.unwrap()[0].generation, 7);
    control.shutdown().await.unwrap();
    task.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_state_empties_no_routes() {
    let proxy = Proxy::start(quick()).await;
    let (route, instance) = (proxy.route, Instance::named("live").await);
    proxy.install(1, &[instance.address]).await;
    proxy.install(2, &[instance.address]).await;
    let folder = proxy.stop().await;
    let state = folder.path().join("routes.json");
    fs::write(&state, &fs::read(&state).unwrap()[..20]).unwrap();

    let control = Control::new(folder.path());
    let task = run(folder.path(), quick());
    until("it serves again", async || {
        control.list().await.is_ok_and(|routes| !routes[0].listening.is_empty())
    })
    .await;
    assert_eq!(get(route).await, (200, "live".to_owned()));
    control.shutdown().await.unwrap();
    task.await.unwrap().unwrap();

    fs::write(&state, "").unwrap();
    fs::write(folder.path().join("routes.previous.json"), "{").unwrap();
    let refused = run(folder.path(), quick()).await.unwrap().unwrap_err();
    assert!(matches!(refused, ServeError::State(_)), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_has_one_proxy_and_one_owner() {
    let proxy = Proxy::start(quick()).await;
    let second = run(proxy.folder.path(), quick()).await.unwrap().unwrap_err();
    assert!(matches!(second, ServeError::AlreadyRunning { .. }), "{second}");
    assert_eq!(proxy.control.status().await.unwrap().routes, 1);
    let mode =
        |name: &str| fs::metadata(proxy.folder.path().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("control.sock"), 0o600);
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_cannot_be_written_changes_nothing() {
    let proxy = Proxy::start(quick()).await;
    proxy.install(1, &["127.0.0.1:4001".parse().unwrap()]).await;
    // A folder of the file's name: not even root can write there.
    fs::create_dir(proxy.folder.path().join("routes.next.json")).unwrap();
    let refused = refusal(proxy.control.install(vec![install(key().as_str(), 2, "127.0.0.1:4002")]).await);
    assert!(matches!(refused, Refusal::NotSaved { .. }), "{refused:?}");
    assert_eq!(proxy.status().await.generation, 1);
    fs::remove_dir(proxy.folder.path().join("routes.next.json")).unwrap();
    proxy.install(2, &["127.0.0.1:4002".parse().unwrap()]).await;
    proxy.stop().await;
}
