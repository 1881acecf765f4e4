use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, StreamBody};
use hyper::Response;
use hyper::body::Frame;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Client, Instance, Proxy, get, quick, raw, text, until};

/// Answers with what it was asked, as text.
async fn mirror() -> Instance {
    Instance::start(|request| {
        Box::pin(async move {
            let mut lines = vec![format!("{} {}", request.method(), request.uri())];
            lines.extend(
                request.headers().iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())),
            );
            let body = request.into_body().collect().await.unwrap().to_bytes();
            lines.push(format!("{} bytes", body.len()));
            let mut answer = text(lines.join("\n"));
            let headers = answer.headers_mut();
            headers.insert("connection", "X-Hop".parse().unwrap());
            headers.insert("x-hop", "1".parse().unwrap());
            headers.insert("x-kept", "1".parse().unwrap());
            answer
        })
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_of_one_connection_stay_there() {
    let proxy = Proxy::start(quick()).await;
    let instance = mirror().await;
    proxy.install(1, &[instance.address]).await;
    let answer = raw(
        proxy.route,
        b"GET /a%20b?c=%2F HTTP/1.1\r\nhost: shop.example\r\nconnection: close, x-secret\r\nx-secret: 1\r\n\
          te: gzip\r\nproxy-connection: keep-alive\r\ncookie: a=1\r\ncookie: b=2\r\n\r\n",
    )
    .await;
    let answer = answer.to_lowercase();
    for part in [
        "get /a%20b?c=%2f",
        "host: shop.example",
        "cookie: a=1\ncookie: b=2",
        "x-forwarded-for: 127.0.0.1",
        "x-forwarded-proto: http",
        "x-forwarded-host: shop.example",
        "x-kept: 1",
        "0 bytes",
    ] {
        assert!(answer.contains(part), "no `{part}` in:\n{answer}");
    }
    for part in ["x-secret", "te: gzip", "proxy-connection", "x-hop"] {
        assert!(!answer.contains(part), "`{part}` in:\n{answer}");
    }
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn old_clients_are_served() {
    let proxy = Proxy::start(quick()).await;
    let instance = mirror().await;
    proxy.install(1, &[instance.address]).await;
    let answer = raw(proxy.route, b"GET / HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.0 200") || answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("GET /"), "{answer}");
    let answer =
        raw(proxy.route, b"CONNECT shop:443 HTTP/1.1\r\nhost: shop:443\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 405"), "{answer}");
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_of_any_size_pass_both_ways() {
    let proxy = Proxy::start(quick()).await;
    let instance = Instance::start(|request| {
        Box::pin(async move {
            let frames = request.into_body();
            // Back as it comes, so that neither side can hold all of it.
            let back = StreamBody::new(futures_util::stream::unfold(frames, |mut frames| async {
                let frame = frames.frame().await?.ok()?.into_data().ok()?;
                Some((Ok(Frame::data(frame)), frames))
            }));
            Response::new(BodyExt::boxed(back))
        })
    })
    .await;
    proxy.install(1, &[instance.address]).await;
    let mut client = Client::connect(proxy.route).await;
    for size in [0, 1, 65_536, 20_000_000] {
        let sent: Bytes = (0..size).map(|index: usize| (index % 251) as u8).collect();
        let (status, body) = client.send("POST", &sent).await.unwrap();
        assert_eq!(status, 200);
        assert!(body == sent, "{size} bytes came back as {}", body.len());
    }
    assert_eq!(instance.requests.load(std::sync::atomic::Ordering::SeqCst), 4);
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_client_holds_up_nobody() {
    let proxy = Proxy::start(quick()).await;
    const SIZE: usize = 30_000_000;
    let instance = Instance::start(|request| {
        Box::pin(async move { if request.uri() == "/big" { text(vec![7; SIZE]) } else { text("small") } })
    })
    .await;
    proxy.install(1, &[instance.address]).await;
    let mut slow = TcpStream::connect(proxy.route).await.unwrap();
    slow.write_all(b"GET /big HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n").await.unwrap();
    until("the big answer has begun", async || proxy.status().await.upstreams[0].in_flight == 1).await;
    for _ in 0..50 {
        assert_eq!(get(proxy.route).await, (200, "small".to_owned()));
    }
    assert_eq!(proxy.status().await.upstreams[0].in_flight, 1, "nobody read it, yet it is done");
    let mut answer = Vec::new();
    slow.read_to_end(&mut answer).await.unwrap();
    assert!(answer.len() > SIZE && answer.ends_with(&[7; 1000]));
    until("nothing is in flight", async || proxy.status().await.upstreams[0].in_flight == 0).await;
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_ends_its_request() {
    let proxy = Proxy::start(quick()).await;
    let instance = Instance::start(|_| Box::pin(std::future::pending())).await;
    proxy.install(1, &[instance.address]).await;
    let mut client = TcpStream::connect(proxy.route).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nhost: shop\r\n\r\n").await.unwrap();
    until("it is in flight", async || proxy.status().await.upstreams[0].in_flight == 1).await;
    drop(client);
    until("it is not", async || proxy.status().await.upstreams[0].in_flight == 0).await;
    proxy.stop().await;
}

/// An instance that does with each connection what it is told, byte by byte.
async fn instance_that(answers: &'static [&'static str]) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_repeated_is_sent_once() {
    const WELL: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\nwell";
    for (method, answers, status) in [
        ("GET", &["", WELL][..], 200),
        ("PUT", &["", "", WELL], 200),
        ("GET", &["", "", "", WELL], 502),
        ("POST", &["", WELL], 502),
    ] {
        let proxy = Proxy::start(quick()).await;
        proxy.install(1, &[instance_that(answers).await]).await;
        let outcome = Client::connect(proxy.route).await.send(method, b"").await.unwrap();
        assert_eq!(outcome.0, status, "{method} {answers:?}: {:?}", outcome.1);
        proxy.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_was_cut_off_is_not_passed_off_as_whole() {
    let proxy = Proxy::start(quick()).await;
    const CUT: &[&str] = &["HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this"];
    proxy.install(1, &[instance_that(CUT).await]).await;
    let outcome = Client::connect(proxy.route).await.send("GET", b"").await;
    assert!(outcome.is_err(), "{outcome:?}");
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_proxys_own_answers_say_what_is_wrong() {
    let limits = sluice_proxy::Limits { response: Duration::from_millis(100), ..quick() };
    let proxy = Proxy::start(limits).await;
    let (status, body) = get(proxy.route).await;
    assert_eq!(status, 503);
    assert_eq!(body, "503 Service Unavailable: acme/shop/dev/api: no release is live here yet\n");

    let dead = Instance::named("dead").await;
    proxy.install(1, &[dead.address]).await;
    dead.kill().await;
    let (status, body) = get(proxy.route).await;
    assert_eq!(status, 502);
    assert!(body.starts_with("502 Bad Gateway: acme/shop/dev/api: no instance took the request: "), "{body}");

    let hangs = Instance::start(|_| Box::pin(std::future::pending())).await;
    proxy.install(2, &[hangs.address]).await;
    let (status, body) = get(proxy.route).await;
    assert_eq!(status, 504);
    assert!(body.contains("did not answer within"), "{body}");

    let answers = proxy.status().await.answers;
    assert_eq!(answers.into_iter().collect::<Vec<_>>(), [(502, 1), (503, 1), (504, 1)]);
    proxy.stop().await;
}
