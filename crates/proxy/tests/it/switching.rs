use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use http_body_util::BodyExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::support::{Client, Instance, Proxy, get, key, quick, text, until};

/// Clients that keep asking, half of them with a method that may not be repeated.
struct Load {
    going: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    clients: Vec<tokio::task::JoinHandle<Vec<String>>>,
}

impl Load {
    async fn on(proxy: &Proxy, clients: usize) -> Self {
        let going = Arc::new(AtomicBool::new(true));
        let answered = Arc::new(AtomicU64::new(0));
        let clients = (0..clients)
            .map(|number| {
                let (going, answered, route) = (going.clone(), answered.clone(), proxy.route);
                tokio::spawn(async move {
                    let mut failures = Vec::new();
                    let mut client = Client::connect(route).await;
                    let (method, body) = if number % 2 == 0 { ("GET", "") } else { ("POST", "order") };
                    while going.load(Ordering::SeqCst) {
                        match client.send(method, body.as_bytes()).await {
                            Ok((200, _)) => drop(answered.fetch_add(1, Ordering::SeqCst)),
                            Ok((status, body)) => failures.push(format!("{method} {status} {body:?}")),
                            Err(error) => {
                                failures.push(format!("{method} {error}"));
                                client = Client::connect(route).await;
                            }
                        }
                    }
                    failures
                })
            })
            .collect();
        Self { going, answered, clients }
    }

    async fn more(&self, requests: u64) {
        let enough = self.answered.load(Ordering::SeqCst) + requests;
        until("requests go on", async || self.answered.load(Ordering::SeqCst) >= enough).await;
    }

    async fn failures(self) -> Vec<String> {
        self.going.store(false, Ordering::SeqCst);
        let mut failures = Vec::new();
        for client in self.clients {
            failures.extend(client.await.unwrap());
        }
        failures
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_fails_while_instances_are_switched_and_killed() {
    let proxy = Proxy::start(quick()).await;
    let mut live = Instance::named("0").await;
    proxy.install(1, &[live.address]).await;
    let load = Load::on(&proxy, 8).await;
    for generation in 2..12 {
        load.more(100).await;
        let next = Instance::named("next").await;
        proxy.install(generation, &[next.address]).await;
        let report = proxy.drain(live.address, 5_000).await;
        assert_eq!((report.remaining, report.closed_tunnels), (0, 0));
        // Nothing is asked of it any more, so it may go at once.
        let old = std::mem::replace(&mut live, next);
        let asked = old.requests.load(Ordering::SeqCst);
        load.more(20).await;
        assert_eq!(old.requests.load(Ordering::SeqCst), asked, "a drained instance was asked");
        old.kill().await;
    }
    assert_eq!(load.failures().await, Vec::<String>::new());
    let status = proxy.status().await;
    assert_eq!(status.answers.keys().collect::<Vec<_>>(), [&200]);
    assert_eq!(status.generation, 11);
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_instance_among_others_costs_no_request() {
    let proxy = Proxy::start(quick()).await;
    let (one, two) = (Instance::named("one").await, Instance::named("two").await);
    proxy.install(1, &[one.address, two.address]).await;
    for _ in 0..4 {
        get(proxy.route).await;
    }
    let left = two.address;
    one.kill().await;
    for _ in 0..20 {
        assert_eq!(get(proxy.route).await, (200, "two".to_owned()));
    }
    let status = proxy.status().await;
    assert!(status.retries > 0);
    let down: Vec<_> = status.upstreams.iter().filter(|upstream| upstream.down).collect();
    assert!(down.len() == 1 && down[0].address != left, "{down:?}");
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_nobody_takes_waits_for_the_switch() {
    let proxy = Proxy::start(sluice_proxy::Limits::default()).await;
    let old = Instance::named("old").await;
    proxy.install(1, &[old.address]).await;
    old.kill().await;
    let waiting = tokio::spawn(get(proxy.route));
    until("the request is tried again", async || proxy.status().await.retries > 0).await;
    let new = Instance::named("new").await;
    proxy.install(2, &[new.address]).await;
    assert_eq!(waiting.await.unwrap(), (200, "new".to_owned()));
    proxy.stop().await;
}

/// An instance that answers when it is told to.
async fn held() -> (Instance, Arc<Notify>) {
    let go = Arc::new(Notify::new());
    let told = go.clone();
    let instance = Instance::start(move |request| {
        let told = told.clone();
        Box::pin(async move {
            let _ = request.into_body().collect().await;
            told.notified().await;
            text("held")
        })
    })
    .await;
    (instance, go)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_waits_for_what_is_in_flight() {
    let proxy = Proxy::start(quick()).await;
    let (old, go) = held().await;
    proxy.install(1, &[old.address]).await;
    let waiting = tokio::spawn(get(proxy.route));
    until("the request is there", async || old.requests.load(Ordering::SeqCst) == 1).await;
    let new = Instance::named("new").await;
    proxy.install(2, &[new.address]).await;

    let report = proxy.drain(old.address, 50).await;
    assert_eq!((report.remaining, report.closed_tunnels), (1, 0));
    assert!(report.waited_ms >= 50);
    assert_eq!(get(proxy.route).await, (200, "new".to_owned()));

    let (report, ()) = tokio::join!(proxy.drain(old.address, 10_000), async { go.notify_one() });
    assert_eq!(report.remaining, 0);
    assert_eq!(waiting.await.unwrap(), (200, "held".to_owned()));
    // What is live is not drained, and neither is what was never there.
    assert_eq!(proxy.drain(new.address, 10_000).await.remaining, 0);
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_passes_and_is_closed_when_its_instance_is_drained() {
    let proxy = Proxy::start(quick()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let instance = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let head = read_head(&mut stream).await.to_lowercase();
        assert!(head.contains("connection: upgrade") && head.contains("upgrade: websocket"), "{head}");
        assert!(head.contains("sec-websocket-key: abc") && !head.contains("x-private"), "{head}");
        let answer =
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nhello";
        stream.write_all(answer.as_bytes()).await.unwrap();
        let (mut read, mut write) = stream.split();
        let _ = tokio::io::copy(&mut read, &mut write).await;
    });
    proxy.install(1, &[instance]).await;

    let mut client = TcpStream::connect(proxy.route).await.unwrap();
    let request = "GET /socket HTTP/1.1\r\nhost: shop\r\nconnection: Upgrade, X-Private\r\nx-private: 1\r\n\
        upgrade: websocket\r\nsec-websocket-key: abc\r\n\r\n";
    client.write_all(request.as_bytes()).await.unwrap();
    assert!(read_head(&mut client).await.starts_with("HTTP/1.1 101"));
    let mut answer = [0; 5];
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"hello");
    client.write_all(b"there").await.unwrap();
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"there");

    let new = Instance::named("new").await;
    proxy.install(2, &[new.address]).await;
    let report = proxy.drain(instance, 30).await;
    assert_eq!((report.remaining, report.closed_tunnels), (0, 1));
    assert_eq!(client.read(&mut answer).await.unwrap_or(0), 0, "the tunnel is still open");
    assert_eq!(proxy.status().await.answers.get(&101), Some(&1));
    proxy.stop().await;
}

async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(tokio::time::timeout(Duration::from_secs(10), stream.read_u8()).await.unwrap().unwrap());
    }
    String::from_utf8(head).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_route_ends_open_connections() {
    let proxy = Proxy::start(quick()).await;
    let instance = Instance::named("live").await;
    proxy.install(1, &[instance.address]).await;
    let mut client = Client::connect(proxy.route).await;
    assert_eq!(client.send("GET", b"").await.unwrap().0, 200);
    proxy.control.remove(vec![key()]).await.unwrap();
    assert_eq!(client.send("GET", b"").await.unwrap().0, 404);
    assert!(client.send("GET", b"").await.is_err(), "the connection is still open");
    until("the port is closed", async || TcpStream::connect(proxy.route).await.is_err()).await;
    proxy.stop().await;
}
