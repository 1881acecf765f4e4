//! The APIs by plain HTTP, as a client that knows nothing of their insides calls them.

use std::io::{Cursor, Write};
use std::path::Path;

use base64::Engine as _;
use serde_json::{Value, json};
use sluice_model::{Event, RunId, Trigger, UserName};
use sluice_wire::JobEvent;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::{Facts, Runtime};
use crate::depot::Depot;
use crate::log::JobLog;

const LIMIT_BYTES: u64 = 100_000;

/// One job's APIs, and where all jobs of these tests keep their things.
struct World {
    runtime: Runtime,
    depot: Depot,
    events: mpsc::Receiver<JobEvent>,
}

struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl World {
    async fn new(root: &Path, run: u64, attempt: u32, git_ref: &str) -> Self {
        let repository = "acme/store".parse().unwrap();
        let depot = Depot::new(root, RunId(run), &repository, &"build".parse().unwrap(), attempt);
        let (sender, events) = mpsc::channel(100);
        let facts = Facts {
            run: run.to_string(),
            job: "j".repeat(32),
            began: std::time::SystemTime::now(),
            trigger: Trigger {
                event: Event::Push,
                action: None,
                repository,
                git_ref: git_ref.to_owned(),
                sha: "0123456789012345678901234567890123456789".parse().unwrap(),
                before: None,
                actor: UserName::new("ada"),
                base_ref: None,
                head_ref: None,
                changed_paths: None,
                image_chain: Vec::new(),
                inputs: Default::default(),
                payload: String::new(),
                subject: String::new(),
            },
            depot: depot.clone(),
            log: JobLog::new(sender, ["abc-secret"]),
            folder: root.join(format!("job-{run}-{attempt}")),
            upload_limit_bytes: LIMIT_BYTES,
            server_url: "https://github.com".to_owned(),
        };
        Self { runtime: Runtime::serve(facts).await.unwrap(), depot, events }
    }

    fn variable(&self, name: &str) -> String {
        let found = self.runtime.variables().into_iter().find(|(known, _)| known == name);
        found.unwrap().1
    }

    async fn send(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let address = format!("http://127.0.0.1:{}", self.runtime.port());
        let path = target.strip_prefix(&address).unwrap_or(target);
        let mut stream = TcpStream::connect(("127.0.0.1", self.runtime.port())).await.unwrap();
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
        stream.write_all(head.as_bytes()).await.unwrap();
        // A server that refuses what is too large need not read it.
        let _ = stream.write_all(body).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let end = memchr::memmem::find(&answer, b"\r\n\r\n").expect("an answer");
        let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
        let status = head.split_whitespace().nth(1).unwrap().parse().unwrap();
        Answer { status, head, body: answer[end + 4..].to_vec() }
    }

    async fn with_token(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let token = format!("Bearer {}", self.variable("ACTIONS_RUNTIME_TOKEN"));
        self.send(method, path, &[&[("Authorization", token.as_str())], headers].concat(), body).await
    }

    /// One call of Twirp: status and message.
    async fn call(&self, service: &str, method: &str, message: Value) -> (u16, Value) {
        let path = format!("/twirp/github.actions.results.api.v1.{service}/{method}");
        let message = message.to_string();
        let json = [("Content-Type", "application/json")];
        let answer = self.with_token("POST", &path, &json, message.as_bytes()).await;
        (answer.status, serde_json::from_slice(&answer.body).unwrap())
    }

    async fn artifact(&self, method: &str, name: &str, more: Value) -> (u16, Value) {
        let mut message = json!({
            "workflow_run_backend_id": self.claimed_run(),
            "workflow_job_run_backend_id": "j",
            "name": name,
        });
        message.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.call("ArtifactService", method, message).await
    }

    /// The run that the token names, read as the toolkits read it.
    fn claimed_run(&self) -> String {
        let token = self.variable("ACTIONS_RUNTIME_TOKEN");
        let claims = token.split('.').nth(1).unwrap().to_owned();
        let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(claims).unwrap();
        let claims: Value = serde_json::from_slice(&claims).unwrap();
        let scope = claims["scp"].as_str().unwrap().strip_prefix("Actions.Results:").unwrap().to_owned();
        scope.split(':').next().unwrap().to_owned()
    }

    async fn save_cache(&self, key: &str, content: &[u8]) {
        let (status, begun) =
            self.call("CacheService", "CreateCacheEntry", json!({ "key": key, "version": "v" })).await;
        assert_eq!((status, &begun["ok"]), (200, &json!(true)), "{begun}");
        let url = begun["signed_upload_url"].as_str().unwrap();
        assert_eq!(self.send("PUT", url, &[("x-ms-blob-type", "BlockBlob")], content).await.status, 201);
        let message = json!({ "key": key, "version": "v", "size_bytes": content.len().to_string() });
        let (status, ended) = self.call("CacheService", "FinalizeCacheEntryUpload", message).await;
        assert_eq!((status, &ended["ok"]), (200, &json!(true)), "{ended}");
    }

    async fn find_cache(&self, key: &str, more: &[&str]) -> Value {
        let message = json!({ "key": key, "restore_keys": more, "version": "v" });
        self.call("CacheService", "GetCacheEntryDownloadURL", message).await.1
    }

    async fn store_artifact(&self, name: &str, zip: &[u8]) -> (u16, Value) {
        let (status, begun) = self.artifact("CreateArtifact", name, json!({ "version": 4 })).await;
        if status != 200 {
            return (status, begun);
        }
        let url = begun["signed_upload_url"].as_str().unwrap();
        assert_eq!(self.send("PUT", url, &[], zip).await.status, 201);
        self.artifact("FinalizeArtifact", name, json!({ "size": zip.len().to_string() })).await
    }
}

fn zip(files: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(content.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[tokio::test]
async fn a_cache_goes_from_one_job_to_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let first = World::new(folder.path(), 1, 1, "refs/heads/main").await;
    first.save_cache("deps-a", b"0123456789").await;
    let (status, again) =
        first.call("CacheService", "CreateCacheEntry", json!({ "key": "deps-a", "version": "v" })).await;
    assert_eq!((status, &again["code"]), (409, &json!("already_exists")));
    drop(first);

    let second = World::new(folder.path(), 2, 1, "refs/heads/other").await;
    assert_eq!(second.find_cache("none", &[]).await, json!({ "ok": false }));
    let found = second.find_cache("deps-b", &["deps-"]).await;
    assert_eq!(found["matched_key"], "deps-a");
    let url = found["signed_download_url"].as_str().unwrap();
    let whole = second.send("GET", url, &[], b"").await;
    assert_eq!((whole.status, whole.body.as_slice()), (200, b"0123456789".as_slice()));
    let part = second.send("GET", url, &[("Range", "bytes=2-4")], b"").await;
    assert_eq!((part.status, part.body.as_slice()), (206, b"234".as_slice()));
    assert!(part.head.contains("content-range: bytes 2-4/10"), "{}", part.head);
    assert_eq!(second.send("GET", url, &[("Range", "bytes=10-")], b"").await.status, 416);
    let head = second.send("HEAD", url, &[], b"").await;
    assert!(head.head.contains("content-length: 10") && head.body.is_empty(), "{}", head.head);
    let stranger = World::new(folder.path(), 3, 1, "refs/heads/main").await;
    let path = url.split_once("/runtime").unwrap().1;
    assert_eq!(stranger.send("GET", &format!("/runtime{path}"), &[], b"").await.status, 403);
}

#[tokio::test]
async fn a_key_with_a_secret_finds_its_cache_and_is_kept_without_it() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(folder.path(), 1, 1, "refs/heads/main").await;
    world.save_cache("deps-abc-secret-1", b"0123456789").await;
    assert_eq!(world.find_cache("deps-abc-secret-1", &[]).await["matched_key"], "deps-abc-secret-1");
    let other = world.find_cache("deps-abc-secret-2", &["deps-abc-secret-"]).await;
    assert_eq!(other["ok"], true, "{other}");
    let caches = folder.path().join("caches/acme/store/blobs");
    for entry in std::fs::read_dir(caches).unwrap().flatten() {
        let text = String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap()).into_owned();
        assert!(!text.contains("abc-secret"), "{text}");
    }
}

#[tokio::test]
async fn blocks_are_put_together_in_the_order_of_their_list() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(folder.path(), 1, 1, "refs/heads/main").await;
    let (_, begun) =
        world.call("CacheService", "CreateCacheEntry", json!({ "key": "k", "version": "v" })).await;
    let url = begun["signed_upload_url"].as_str().unwrap();
    for (id, content) in [("Yg%3D%3D", "second"), ("YQ%3D%3D", "wrong"), ("YQ%3D%3D", "first-")] {
        let target = format!("{url}&comp=block&blockid={id}");
        assert_eq!(world.send("PUT", &target, &[], content.as_bytes()).await.status, 201);
    }
    let list = |ids: &[&str]| {
        let ids: String = ids.iter().map(|id| format!("<Latest>{id}</Latest>")).collect();
        format!("<?xml version=\"1.0\"?><BlockList>{ids}</BlockList>")
    };
    let target = format!("{url}&comp=blocklist");
    assert_eq!(world.send("PUT", &target, &[], list(&["absent"]).as_bytes()).await.status, 400);
    assert_eq!(world.send("PUT", &target, &[], list(&["YQ==", "Yg=="]).as_bytes()).await.status, 201);
    let wrong = json!({ "key": "k", "version": "v", "size_bytes": "3" });
    assert_eq!(world.call("CacheService", "FinalizeCacheEntryUpload", wrong).await.0, 400);
    let right = json!({ "key": "k", "version": "v", "size_bytes": 12 });
    assert_eq!(world.call("CacheService", "FinalizeCacheEntryUpload", right).await.0, 200);
    let found = world.find_cache("k", &[]).await;
    let content = world.send("GET", found["signed_download_url"].as_str().unwrap(), &[], b"").await.body;
    assert_eq!(content, b"first-second");
}

#[tokio::test]
async fn the_older_api_of_caches_answers_too() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(folder.path(), 1, 1, "refs/heads/main").await;
    let search = "/_apis/artifactcache/cache?keys=k-1%2Ck-&version=v";
    assert_eq!(world.with_token("GET", search, &[], b"").await.status, 204);
    let body = json!({ "key": "k-0", "version": "v", "cacheSize": 6 }).to_string();
    let reserved = world.with_token("POST", "/_apis/artifactcache/caches", &[], body.as_bytes()).await;
    let reserved: Value = serde_json::from_slice(&reserved.body).unwrap();
    let path = format!("/_apis/artifactcache/caches/{}", reserved["cacheId"]);
    let chunk = async |range: &str, content: &str| {
        world.with_token("PATCH", &path, &[("Content-Range", range)], content.as_bytes()).await.status
    };
    assert_eq!(chunk("bytes 3-5/*", "def").await, 204);
    assert_eq!(world.with_token("POST", &path, &[], b"{\"size\": 6}").await.status, 400);
    assert_eq!(chunk("bytes 0-2/*", "abcd").await, 400);
    assert_eq!(chunk("bytes 0-2/*", "abc").await, 204);
    assert_eq!(world.with_token("POST", &path, &[], b"{\"size\": 6}").await.status, 204);
    let found = world.with_token("GET", search, &[], b"").await;
    let found: Value = serde_json::from_slice(&found.body).unwrap();
    assert_eq!((&found["cacheKey"], &found["scope"]), (&json!("k-0"), &json!("refs/heads/main")));
    let content = world.send("GET", found["archiveLocation"].as_str().unwrap(), &[], b"").await.body;
    assert_eq!(content, b"abcdef");
}

#[tokio::test]
async fn an_artifact_is_stored_listed_read_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::new(folder.path(), 1, 1, "refs/heads/main").await;
    let (status, stored) =
        world.store_artifact("out put", &zip(&[("a.txt", "one"), ("sub/b.txt", "three")])).await;
    assert_eq!(status, 200, "{stored}");
    assert_eq!(std::fs::read_to_string(world.depot.artifact("out put").join("sub/b.txt")).unwrap(), "three");
    let event = world.events.recv().await.unwrap();
    assert_eq!(event, JobEvent::ArtifactStored { name: "out put".to_owned(), files: 2, size_bytes: 8 });
    let (status, again) = world.store_artifact("out put", &zip(&[])).await;
    assert_eq!((status, &again["code"]), (409, &json!("already_exists")));

    // What another job of the run sees, the built-in actions' artifacts included.
    let built_in = world.depot.artifact("built-in");
    std::fs::create_dir_all(&built_in).unwrap();
    std::fs::write(built_in.join("c.txt"), "c").unwrap();
    let other = World::new(folder.path(), 1, 1, "refs/heads/main").await;
    let (_, all) = other.artifact("ListArtifacts", "", json!({})).await;
    let all = all["artifacts"].as_array().unwrap().clone();
    let shown: Vec<_> =
        all.iter().map(|one| (one["name"].as_str().unwrap(), one["size"].as_str().unwrap())).collect();
    assert_eq!(shown, [("built-in", "1"), ("out put", "8")]);
    let id = all[1]["database_id"].as_str().unwrap();
    assert_eq!(stored["artifact_id"], id);
    let (_, by_id) = other.artifact("ListArtifacts", "", json!({ "id_filter": id })).await;
    assert_eq!(by_id["artifacts"][0]["name"], "out put");
    let (_, by_name) = other.artifact("ListArtifacts", "", json!({ "name_filter": "built-in" })).await;
    assert_eq!(by_name["artifacts"].as_array().unwrap().len(), 1);
    for (name, file, content) in [("out put", "sub/b.txt", "three"), ("built-in", "c.txt", "c")] {
        let (_, located) = other.artifact("GetSignedArtifactURL", name, json!({})).await;
        let answer = other.send("GET", located["signed_url"].as_str().unwrap(), &[], b"").await;
        assert!(answer.head.contains("content-type: application/zip"), "{}", answer.head);
        let mut zip = zip::ZipArchive::new(Cursor::new(answer.body)).unwrap();
        assert_eq!(std::io::read_to_string(zip.by_name(file).unwrap()).unwrap(), content);
    }
    assert_eq!(other.artifact("DeleteArtifact", "out put", json!({})).await.0, 200);
    assert_eq!(other.artifact("DeleteArtifact", "out put", json!({})).await.0, 404);
    assert_eq!(other.artifact("GetSignedArtifactURL", "out put", json!({})).await.0, 404);
    // A rerun takes the place of what its earlier attempt stored.
    let rerun = World::new(folder.path(), 1, 2, "refs/heads/main").await;
    assert_eq!(rerun.store_artifact("built-in", &zip(&[("d.txt", "d")])).await.0, 200);
    assert!(built_in.join("d.txt").exists() && !built_in.join("c.txt").exists());
}

#[tokio::test]
async fn a_single_file_can_be_an_artifact() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(folder.path(), 1, 1, "refs/heads/main").await;
    let more = json!({ "version": 7, "mime_type": "text/plain" });
    let (_, begun) = world.artifact("CreateArtifact", "notes.txt", more).await;
    let url = begun["signed_upload_url"].as_str().unwrap();
    world.send("PUT", url, &[], b"text").await;
    let wrong = json!({ "size": "4", "hash": format!("sha256:{}", "0".repeat(64)) });
    let (status, refused) = world.artifact("FinalizeArtifact", "notes.txt", wrong).await;
    assert!(status == 400 && refused["msg"].as_str().unwrap().contains("digest"), "{refused}");
    assert!(!world.depot.artifact("notes.txt").exists());
    let (_, begun) =
        world.artifact("CreateArtifact", "notes.txt", json!({ "mime_type": "text/plain" })).await;
    world.send("PUT", begun["signed_upload_url"].as_str().unwrap(), &[], b"text").await;
    assert_eq!(world.artifact("FinalizeArtifact", "notes.txt", json!({ "size": "4" })).await.0, 200);
    assert_eq!(std::fs::read_to_string(world.depot.artifact("notes.txt").join("notes.txt")).unwrap(), "text");
}

#[tokio::test]
async fn strangers_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(folder.path(), 1, 1, "refs/heads/main").await;
    let other = World::new(folder.path(), 2, 1, "refs/heads/main").await;
    let theirs = format!("Bearer {}", other.variable("ACTIONS_RUNTIME_TOKEN"));
    let path = "/twirp/github.actions.results.api.v1.CacheService/GetCacheEntryDownloadURL";
    for headers in [&[][..], &[("Authorization", theirs.as_str())], &[("Authorization", "Bearer ")]] {
        let answer = world.send("POST", path, headers, b"{}").await;
        assert_eq!(answer.status, 401);
        assert!(String::from_utf8_lossy(&answer.body).contains("unauthenticated"));
        assert_eq!(
            world.send("GET", "/_apis/artifactcache/cache?keys=k&version=v", headers, b"").await.status,
            401
        );
    }
    assert_eq!(world.send("PUT", "/runtime/uploads/1?sig=x", &[], b"").await.status, 403);
    assert_eq!(world.with_token("POST", "/twirp/other.Service/Call", &[], b"{}").await.status, 404);
    // Another run's artifacts, with one's own token.
    world.store_artifact("mine", &zip(&[("a", "a")])).await;
    for method in
        ["ListArtifacts", "GetSignedArtifactURL", "DeleteArtifact", "CreateArtifact", "FinalizeArtifact"]
    {
        let message =
            json!({ "workflow_run_backend_id": "1", "workflow_job_run_backend_id": "j", "name": "mine" });
        assert_eq!(other.call("ArtifactService", method, message).await.0, 403, "{method}");
    }
    let (_, none) = other.artifact("ListArtifacts", "", json!({})).await;
    assert_eq!(none["artifacts"], json!([]));
}

#[tokio::test]
async fn what_is_too_large_or_climbs_out_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(folder.path(), 1, 1, "refs/heads/main").await;
    for name in ["", "../x", "a/b", "a\\b", "a:b", "a\nb", &"n".repeat(81)] {
        assert_eq!(world.artifact("CreateArtifact", name, json!({})).await.0, 400, "{name:?}");
    }
    let (status, refused) = world.store_artifact("evil", &zip(&[("../../out", "x")])).await;
    assert!(status == 400 && refused["msg"].as_str().unwrap().contains("climbs out"), "{refused}");
    assert!(!folder.path().join("out").exists() && !world.depot.artifact("evil").exists());
    let (status, refused) = world.store_artifact("broken", b"no zip").await;
    assert!(status == 400 && refused["msg"].as_str().unwrap().contains("not a zip"), "{refused}");

    let cache = json!({ "key": "k", "version": "v" });
    let (_, begun) = world.call("CacheService", "CreateCacheEntry", cache).await;
    let url = begun["signed_upload_url"].as_str().unwrap();
    let large = vec![0; usize::try_from(LIMIT_BYTES).unwrap() + 1];
    assert_eq!(world.send("PUT", url, &[], &large).await.status, 413);
    let half = &large[..large.len() / 2 + 1];
    assert_eq!(world.send("PUT", &format!("{url}&comp=block&blockid=YQ"), &[], half).await.status, 201);
    assert_eq!(world.send("PUT", &format!("{url}&comp=block&blockid=Yg"), &[], half).await.status, 413);
    let twice = b"<BlockList><Latest>YQ</Latest><Latest>YQ</Latest></BlockList>";
    assert_eq!(world.send("PUT", &format!("{url}&comp=blocklist"), &[], twice).await.status, 413);
    let long = format!("{url}&comp=block&blockid={}", "Y".repeat(129));
    assert_eq!(world.send("PUT", &long, &[], b"x").await.status, 400);
    for cache in
        [json!({ "key": "k".repeat(513), "version": "v" }), json!({ "key": "k", "version": "" }), json!(7)]
    {
        assert_eq!(world.call("CacheService", "CreateCacheEntry", cache.clone()).await.0, 400, "{cache}");
    }
    let many = json!({ "key": "k", "version": "v", "restore_keys": vec!["k"; 10] });
    assert_eq!(world.call("CacheService", "GetCacheEntryDownloadURL", many).await.0, 400);
    let message = vec![b' '; (1 << 20) + 1];
    let path = "/twirp/github.actions.results.api.v1.CacheService/CreateCacheEntry";
    assert_eq!(world.with_token("POST", path, &[], &message).await.status, 413);
}

#[tokio::test]
async fn nothing_is_left_of_a_job_that_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::new(folder.path(), 1, 1, "refs/heads/main").await;
    let (_, begun) =
        world.call("CacheService", "CreateCacheEntry", json!({ "key": "k", "version": "v" })).await;
    world.send("PUT", begun["signed_upload_url"].as_str().unwrap(), &[], b"x").await;
    let port = world.runtime.port();
    drop(world);
    assert!(!folder.path().join("job-1-1").exists());
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
        assert!(std::time::Instant::now() < deadline, "the port is still served");
        tokio::task::yield_now().await;
    }
}
