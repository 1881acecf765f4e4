//! What the socket passes on, and what it refuses, before an engine of a few lines.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sluice_docker::{EngineAddress, EngineSocket, EngineSocketSpec, Labels};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

/// A socket before an engine that answers each connection in its own way.
struct World {
    folder: tempfile::TempDir,
    socket: EngineSocket,
    told: Arc<AtomicUsize>,
}

impl World {
    fn with<F>(answer: impl Fn(UnixStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let folder = tempfile::tempdir().unwrap();
        let engine = UnixListener::bind(folder.path().join("engine.sock")).unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = engine.accept().await {
                tokio::spawn(answer(stream));
            }
        });
        let told = Arc::new(AtomicUsize::new(0));
        let count = told.clone();
        let socket = EngineSocket::open(EngineSocketSpec {
            path: folder.path().join("docker.sock"),
            engine: EngineAddress::Unix(folder.path().join("engine.sock")),
            labels: Labels::of_owner("me"),
            before_first: Box::new(move || {
                count.fetch_add(1, Ordering::SeqCst);
                Ok(())
            }),
        })
        .unwrap();
        Self { folder, socket, told }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("docker.sock")
    }
}

/// Reads one request with its body, as far as `Content-Length` says.
async fn request(stream: &mut UnixStream) -> (String, String) {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().unwrap())
            });
            if body.len() >= length.unwrap_or(0) {
                return (head.to_owned(), body.to_owned());
            }
        }
        let mut piece = [0; 4096];
        let count = stream.read(&mut piece).await.unwrap();
        assert!(count > 0, "it ended within a request: {text}");
        read.extend_from_slice(&piece[..count]);
    }
}

/// Sends it all, says no more, and reads to the end.
async fn ask(socket: &Path, text: &str) -> String {
    let mut stream = UnixStream::connect(socket).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

fn post(path: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

#[tokio::test]
async fn what_is_made_is_labelled_and_told_before() {
    let world = World::with(async |mut stream| {
        let (head, body) = request(&mut stream).await;
        let said = format!("{}|{body}", head.lines().next().unwrap());
        let answer = format!("HTTP/1.1 201 Created\r\nContent-Length: {}\r\n\r\n{said}", said.len());
        stream.write_all(answer.as_bytes()).await.unwrap();
    });
    for path in ["/networks/create", "/v1.41/networks/create?x=y"] {
        let answer = ask(&world.path(), &post(path, r#"{"Name":"n"}"#)).await;
        let want = format!(r#"POST {path} HTTP/1.1|{{"Name":"n","Labels":{{"sluice.owner":"me"}}}}"#);
        assert!(answer.starts_with("HTTP/1.1 201") && answer.ends_with(&want), "{answer}");
    }
    assert_eq!(world.told.load(Ordering::SeqCst), 1);
    let answer = ask(&world.path(), &post("/containers/ab/start", "")).await;
    assert!(answer.ends_with("POST /containers/ab/start HTTP/1.1|"), "{answer}");
    let gone = "DELETE /containers/ab HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n";
    assert!(ask(&world.path(), gone).await.ends_with("DELETE /containers/ab?v=1 HTTP/1.1|"));
    // A prune reaches the job's own alone, and neither images nor the build cache.
    let answer = ask(&world.path(), &post("/v1.41/containers/prune", "")).await;
    let narrowed = "filters=%7B%22label%22%3A%5B%22sluice.owner%3Dme%22%5D%7D";
    assert!(answer.ends_with(&format!("POST /v1.41/containers/prune?{narrowed} HTTP/1.1|")), "{answer}");
    let answer = ask(&world.path(), &post("/v1.41/images/prune?filters=%7B%7D", "")).await;
    assert!(answer.ends_with(r#"{"ImagesDeleted":[],"SpaceReclaimed":0}"#), "{answer}");
    assert!(world.socket.close().await);
}

#[tokio::test]
async fn what_is_too_long_or_outlives_the_job_never_reaches_the_engine() {
    let world = World::with(async |_| panic!("the engine was asked"));
    let long = format!("{{\"Name\":\"{}\"}}", "n".repeat(9 << 20));
    for (path, body, status, reason) in [
        ("/volumes/create", long.as_str(), 413, "longer than 8388608 bytes"),
        ("/volumes/create", "no JSON", 400, "invalid JSON"),
        ("/v1.41/services/create", "{}", 403, "would outlive it"),
    ] {
        let mut stream = UnixStream::connect(world.path()).await.unwrap();
        // The rest of what is too long is not read.
        let _ = stream.write_all(post(path, body).as_bytes()).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")) && answer.contains(reason), "{answer}");
    }
    assert_eq!(world.told.load(Ordering::SeqCst), 0);
    assert!(!world.socket.close().await);
}

#[tokio::test]
async fn an_engine_that_does_not_answer_is_named() {
    let world = World::with(async |_| ());
    std::fs::remove_file(world.folder.path().join("engine.sock")).unwrap();
    let answer = ask(&world.path(), "GET /_ping HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n").await;
    let name = format!("the container engine at unix://{}/engine.sock", world.folder.path().display());
    assert!(answer.starts_with("HTTP/1.1 502") && answer.contains(&name), "{answer}");
}

#[tokio::test]
async fn pieces_of_a_long_answer_come_as_they_are_written() {
    let world = World::with(async |mut stream| {
        request(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n").await.unwrap();
        // The second follows when the first has arrived: whoever got it tells by closing.
        let _ = stream.read(&mut [0; 1]).await;
    });
    let mut stream = UnixStream::connect(world.path()).await.unwrap();
    stream.write_all(b"GET /events HTTP/1.1\r\nHost: docker\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    while !answer.contains("one") {
        let mut piece = [0; 256];
        let count = stream.read(&mut piece).await.unwrap();
        assert!(count > 0, "{answer}");
        answer.push_str(&String::from_utf8_lossy(&piece[..count]));
    }
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
}

#[tokio::test]
async fn an_upgraded_connection_ends_one_way_first() {
    let world = World::with(async |mut stream| {
        let (head, _) = request(&mut stream).await;
        let head = head.to_lowercase();
        assert!(head.contains("connection: upgrade") && head.contains("upgrade: tcp"), "{head}");
        stream
            .write_all(b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nearly ")
            .await
            .unwrap();
        // The end of input comes through, and output goes on after it.
        let mut input = String::new();
        stream.read_to_string(&mut input).await.unwrap();
        stream.write_all(format!("heard {input}").as_bytes()).await.unwrap();
    });
    let mut stream = UnixStream::connect(world.path()).await.unwrap();
    let ask = "POST /containers/ab/attach?stdin=1 HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n";
    stream.write_all(ask.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    stream.write_all(b"hello").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "early heard hello");
    let head = String::from_utf8(head).unwrap().to_lowercase();
    assert!(head.starts_with("http/1.1 101") && head.contains("upgrade: tcp"), "{head}");
}

#[tokio::test]
async fn a_call_ends_with_who_called_and_all_end_with_the_socket() {
    let (events, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let world = World::with(move |mut stream| {
        let events = events.clone();
        async move {
            request(&mut stream).await;
            events.send("begun").unwrap();
            // No answer comes, as from `wait`.
            assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
            events.send("ended").unwrap();
        }
    });
    let call = b"POST /containers/ab/wait HTTP/1.1\r\nHost: docker\r\n\r\n";
    let mut gone = UnixStream::connect(world.path()).await.unwrap();
    gone.write_all(call).await.unwrap();
    assert_eq!(seen.recv().await, Some("begun"));
    drop(gone);
    assert_eq!(seen.recv().await, Some("ended"));
    let mut still = UnixStream::connect(world.path()).await.unwrap();
    still.write_all(call).await.unwrap();
    assert_eq!(seen.recv().await, Some("begun"));
    world.socket.close().await;
    assert_eq!(seen.recv().await, Some("ended"));
    assert_eq!(still.read(&mut [0; 1]).await.unwrap(), 0);
}
