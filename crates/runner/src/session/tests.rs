use std::path::Path;
use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

use super::*;
use crate::protocol::{EntryKind, FRAME_LIMIT};

/// A step agent as a child of this test, and the talk with it.
async fn agent() -> (Session, Child) {
    let mut child = Command::new(concat!(env!("OUT_DIR"), "/step-agent"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let session = Session::new(child.stdout.take().unwrap(), child.stdin.take().unwrap());
    session.hello("").await.unwrap();
    (session, child)
}

fn entry(path: &str, kind: EntryKind) -> Packed {
    Packed::Entry(Entry { path: path.into(), mode: 0o644, modified: 1, kind })
}

async fn unpack(session: &Session, root: &Path, pieces: Vec<Packed>) -> Result<(), String> {
    let mut pieces = pieces.into_iter();
    let unpacked = session.unpack(root.to_str().unwrap(), || Ok(pieces.next())).await;
    unpacked.map_err(|error| error.to_string())
}

#[tokio::test]
async fn nothing_is_unpacked_outside_its_folder() {
    let (session, _child) = agent().await;
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("in");
    let file = |path: &str| vec![entry(path, EntryKind::File { size: 1 }), Packed::Data(b"x".to_vec())];
    for wrong in ["../out", "/etc/sluice-test", "a/../../out", "", "./a/.."] {
        let error = unpack(&session, &root, file(wrong)).await.unwrap_err();
        assert!(error.contains("climbs out"), "{wrong}: {error}");
    }
    let mut through_link = vec![entry("link", EntryKind::Link { target: b"/tmp".to_vec() })];
    through_link.extend(file("link/sluice-test-out"));
    let error = unpack(&session, &root, through_link).await.unwrap_err();
    assert!(error.contains("a link leads out"), "{error}");
    assert!(!folder.path().join("out").exists() && !Path::new("/tmp/sluice-test-out").exists());
    // A link that is a file's own name is replaced, not followed.
    unpack(&session, &root, file("link")).await.unwrap();
    assert!(root.join("link").is_file() && !root.join("link").is_symlink());
}

#[tokio::test]
async fn what_is_packed_unpacks_as_it_was() {
    let (session, _child) = agent().await;
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    std::fs::create_dir_all(from.join("a/b")).unwrap();
    std::fs::write(from.join("a/b/big"), vec![7; 200_000]).unwrap();
    std::fs::write(from.join("a/empty"), "").unwrap();
    std::fs::write(from.join("left.log"), "").unwrap();
    std::os::unix::fs::symlink("a/b/big", from.join("link")).unwrap();
    let mut pieces = Vec::new();
    let patterns = ["a".to_owned(), "li*".to_owned()];
    session
        .pack(from.to_str().unwrap(), &patterns, |piece| {
            pieces.push(piece);
            Ok(())
        })
        .await
        .unwrap();
    unpack(&session, &to, pieces).await.unwrap();
    assert_eq!(std::fs::read(to.join("a/b/big")).unwrap(), vec![7; 200_000]);
    assert!(to.join("a/empty").is_file() && !to.join("left.log").exists());
    assert_eq!(std::fs::read_link(to.join("link")).unwrap(), Path::new("a/b/big"));
    let modified = |path: &Path| std::fs::metadata(path).unwrap().modified().unwrap();
    let seconds = |path: &Path| modified(path).duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert_eq!(seconds(&from.join("a/b/big")), seconds(&to.join("a/b/big")));
}

#[tokio::test]
async fn a_refusal_while_packing_leaves_the_talk_whole() {
    let (session, _child) = agent().await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("big"), vec![0; 500_000]).unwrap();
    let packed =
        session.pack(folder.path().to_str().unwrap(), &[".".to_owned()], |_| Err("enough".to_owned())).await;
    assert_eq!(packed.unwrap_err().to_string(), "enough");
    let too_large = session.read(folder.path().join("big").to_str().unwrap(), 1000).await;
    assert!(too_large.unwrap_err().to_string().contains("larger than 1000 bytes"));
    assert_eq!(session.read("/no/such/file", 10).await.unwrap(), None);
    assert_eq!(session.find_program("no-such-program").await.unwrap(), None);
    assert!(session.find_program("sh").await.unwrap().is_some());
}

#[tokio::test]
async fn several_processes_run_at_once_and_each_tells_its_own_end() {
    let (session, _child) = agent().await;
    let launch = |script: &str| Launch {
        argv: ["sh", "-c", script].map(str::to_owned).to_vec(),
        directory: "/".to_owned(),
        ..Default::default()
    };
    let mut waiting = session.start(launch("sleep 600")).await.unwrap();
    let mut quick = session.start(launch("echo out; echo err >&2; exit 5")).await.unwrap();
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    loop {
        match quick.next().await.unwrap() {
            ProcessEvent::Output { stderr: false, bytes } => stdout.extend_from_slice(&bytes),
            ProcessEvent::Output { stderr: true, bytes } => stderr.extend_from_slice(&bytes),
            ProcessEvent::Exited { code, signal, .. } => {
                assert_eq!((code, signal), (5, 0));
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((stdout.as_slice(), stderr.as_slice()), (&b"out\n"[..], &b"err\n"[..]));
    waiting.signal(15).await;
    assert_eq!(
        waiting.next().await,
        Some(ProcessEvent::Exited { code: -1, signal: 15, collected: Vec::new() })
    );
    let mut absent =
        session.start(Launch { directory: "/absent".to_owned(), ..launch("true") }).await.unwrap();
    let reason = "the working directory /absent does not exist".to_owned();
    assert_eq!(absent.next().await, Some(ProcessEvent::NotStarted(reason)));
}

#[tokio::test]
async fn when_the_agent_is_gone_everybody_is_told() {
    let (session, mut child) = agent().await;
    let launch = Launch {
        argv: vec!["sleep".to_owned(), "600".to_owned()],
        directory: "/".to_owned(),
        ..Default::default()
    };
    let mut process = session.start(launch.clone()).await.unwrap();
    child.kill().await.unwrap();
    assert_eq!(process.next().await, None);
    assert!(matches!(session.read("/etc/passwd", 1 << 20).await, Err(SessionError::Gone)));
}

#[test]
fn frames_are_read_back_and_broken_ones_refused() {
    let request = Request::Start {
        step: 3,
        argv: vec![b"a".to_vec(), Vec::new()],
        env: vec![(b"N".to_vec(), b"v".to_vec())],
        directory: b"/".to_vec(),
        files: vec![(b"/f".to_vec(), b"x".to_vec())],
        collect: vec![b"/f".to_vec()],
    };
    let frame = request.encode();
    assert_eq!(Request::decode(&frame[4..]).unwrap(), request);
    for cut in 1..frame.len() - 4 {
        assert!(Request::decode(&frame[4..4 + cut]).is_err(), "{cut} bytes were taken");
    }
    assert!(Request::decode(&[250]).is_err() && Answer::decode(&[250]).is_err());
    let length = |length: usize| frame_length((length as u32).to_le_bytes());
    assert!(length(FRAME_LIMIT).is_ok() && length(FRAME_LIMIT + 1).is_err() && length(0).is_err());
}

#[tokio::test]
async fn a_relayed_port_is_on_all_of_localhost() {
    let (session, _child) = agent().await;
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    let far = tokio::net::UnixListener::bind(&socket).unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    session.relay(port, socket.to_str().unwrap()).await.unwrap();
    let has_six = std::net::TcpListener::bind("[::1]:0").is_ok();
    for address in ["127.0.0.1", "::1"].into_iter().take(if has_six { 2 } else { 1 }) {
        let mut near = tokio::net::TcpStream::connect((address, port)).await.unwrap();
        let (mut accepted, _) = far.accept().await.unwrap();
        accepted.write_all(b"far").await.unwrap();
        drop(accepted);
        let mut said = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut near, &mut said).await.unwrap_or_default();
        assert_eq!(said, "far", "{address}");
    }
}
