use std::sync::atomic::Ordering;
use std::time::Duration;

use sluice_proxy::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Instance, Proxy, get, quick, raw, text, until};

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_are_too_long_are_refused() {
    let proxy = Proxy::start(Limits { header_bytes: 8192, ..quick() }).await;
    let instance = Instance::named("live").await;
    proxy.install(1, &[instance.address]).await;
    for (length, status) in [(7_000, "200"), (9_000, "431")] {
        let filler = "x".repeat(length);
        let request =
            format!("GET / HTTP/1.1\r\nhost: shop\r\nconnection: close\r\nfiller: {filler}\r\n\r\n");
        let answer = raw(proxy.route, request.as_bytes()).await;
        assert_eq!(answer.split(' ').nth(1), Some(status), "{length}: {answer}");
    }
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_smuggles_another_is_refused() {
    let proxy = Proxy::start(quick()).await;
    let instance = Instance::named("live").await;
    proxy.install(1, &[instance.address]).await;
    for head in [
        "content-length: 5\r\ncontent-length: 6",
        "transfer-encoding: xchunked",
        "content-length: -1",
        "transfer-encoding : chunked",
    ] {
        let request =
            format!("POST / HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n{head}\r\n\r\n0\r\n\r\n");
        let answer = raw(proxy.route, request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{head}: {answer}");
    }
    assert_eq!(instance.requests.load(Ordering::SeqCst), 0);
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_too_many_is_told_so() {
    let proxy = Proxy::start(Limits { connections: 2, ..quick() }).await;
    let instance = Instance::named("live").await;
    proxy.install(1, &[instance.address]).await;
    let (one, two) =
        (TcpStream::connect(proxy.route).await.unwrap(), TcpStream::connect(proxy.route).await.unwrap());
    let answer = raw(proxy.route, b"").await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.ends_with("too many connections at one time\n"), "{answer}");
    let length: usize =
        answer.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap().parse().unwrap();
    assert_eq!(answer.split("\r\n\r\n").nth(1).unwrap().len(), length);
    drop((one, two));
    until("there is room again", async || {
        raw(proxy.route, b"GET / HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n")
            .await
            .starts_with("HTTP/1.1 200")
    })
    .await;
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stalls_is_cut_off() {
    let stall = Duration::from_millis(100);
    let proxy = Proxy::start(Limits { client_stall: stall, header_read: stall, ..quick() }).await;
    let instance = Instance::start(|request| {
        Box::pin(async move {
            let _ = http_body_util::BodyExt::collect(request.into_body()).await;
            text(vec![7; 30_000_000])
        })
    })
    .await;
    proxy.install(1, &[instance.address]).await;

    // In its headers,
    let answer = raw(proxy.route, b"GET / HTTP/1.1\r\nhost: sh").await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    // in its body,
    let answer = raw(proxy.route, b"POST / HTTP/1.1\r\nhost: shop\r\ncontent-length: 10\r\n\r\nhalf").await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    // and when it does not take its answer.
    let mut client = TcpStream::connect(proxy.route).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nhost: shop\r\n\r\n").await.unwrap();
    until("the answer has begun", async || proxy.status().await.answers.contains_key(&200)).await;
    until("it is given up", async || proxy.status().await.upstreams[0].in_flight == 0).await;
    let mut answer = Vec::new();
    let _ = client.read_to_end(&mut answer).await;
    assert!(answer.len() < 30_000_000);
    drop(client);
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_to_an_instance_is_closed_and_opened_again() {
    let proxy = Proxy::start(Limits { idle: Duration::from_millis(20), ..quick() }).await;
    let instance = Instance::named("live").await;
    proxy.install(1, &[instance.address]).await;
    for _ in 0..3 {
        assert_eq!(get(proxy.route).await.0, 200);
        until("the connection is closed", async || instance.connections.load(Ordering::SeqCst) == 0).await;
    }
    proxy.stop().await;
}
