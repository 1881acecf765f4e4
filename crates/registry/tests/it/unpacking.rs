//! Layers that want to write where they may not.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::json;
use sluice_registry::image::{ImageError, Limits, Unpacked};
use sluice_registry::{Platform, media_type};

use crate::support::{TestRegistry, sha256};

enum Entry {
    File(&'static str, &'static str),
    Folder(&'static str, u32),
    Link(&'static str, &'static str),
    Hard(&'static str, &'static str),
    Device(&'static str),
}
use Entry::{Device, File, Folder, Hard, Link};

/// A tar file with these entries, written without the checks of a proper archiver.
fn layer(entries: &[Entry]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for entry in entries {
        let mut header = tar::Header::new_gnu();
        let (name, kind, mode, link, content) = match entry {
            File(name, content) => (*name, tar::EntryType::Regular, 0o644, "", *content),
            Folder(name, mode) => (*name, tar::EntryType::Directory, *mode, "", ""),
            Link(name, link) => (*name, tar::EntryType::Symlink, 0o777, *link, ""),
            Hard(name, link) => (*name, tar::EntryType::Link, 0o644, *link, ""),
            Device(name) => (*name, tar::EntryType::Char, 0o666, "", ""),
        };
        let gnu = header.as_gnu_mut().unwrap();
        gnu.name[..name.len()].copy_from_slice(name.as_bytes());
        gnu.linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(content.len() as u64);
        header.set_mtime(1);
        header.set_cksum();
        archive.append(&header, content.as_bytes()).unwrap();
    }
    archive.into_inner().unwrap()
}

struct Outcome {
    folder: tempfile::TempDir,
    result: Result<Unpacked, ImageError>,
}

impl Outcome {
    fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    #[track_caller]
    fn refused(&self) -> String {
        self.result.as_ref().expect_err("it was unpacked").to_string()
    }

    /// Every path under the root, with a file's content or a link's target.
    #[track_caller]
    fn tree(&self) -> Vec<String> {
        self.result.as_ref().unwrap();
        let mut found = Vec::new();
        walk(&self.root(), &self.root(), &mut found);
        found.sort();
        found
    }
}

fn walk(root: &Path, folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root).unwrap().display().to_string();
        let meta = fs::symlink_metadata(&path).unwrap();
        if meta.is_symlink() {
            found.push(format!("{name} -> {}", fs::read_link(&path).unwrap().display()));
        } else if meta.is_dir() {
            found.push(format!("{name}/"));
            walk(root, &path, found);
        } else {
            found.push(format!("{name}: {}", fs::read_to_string(&path).unwrap()));
        }
    }
}

async fn unpack_within(layers: &[Vec<u8>], limits: Limits, packed: impl Fn(&[u8]) -> Vec<u8>) -> Outcome {
    let test = TestRegistry::open().await;
    let diff_ids: Vec<_> = layers.iter().map(|layer| sha256(layer)).collect();
    let config = json!({ "os": "linux", "architecture": "amd64", "rootfs": { "type": "layers", "diff_ids": diff_ids } });
    let config = config.to_string();
    let mut described = Vec::new();
    for layer in layers {
        let packed = packed(layer);
        let digest = test.put_blob("a", &packed).await;
        described.push(json!({ "mediaType": media_type::OCI_LAYER, "digest": digest, "size": packed.len() }));
    }
    let digest = test.put_blob("a", config.as_bytes()).await;
    let manifest = json!({ "schemaVersion": 2, "layers": described,
        "config": { "mediaType": media_type::OCI_CONFIG, "digest": digest, "size": config.len() } });
    test.put_manifest("a", "v1", &manifest.to_string()).await.is(reqwest::StatusCode::CREATED);
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("outside")).unwrap();
    fs::write(folder.path().join("outside/secret"), "untouched").unwrap();
    let (name, tag) = ("a".parse().unwrap(), "v1".parse().unwrap());
    let root = folder.path().join("root");
    let result = test.registry.unpack(&name, &tag, &Platform::host(), &root, limits).await;
    assert_eq!(fs::read_to_string(folder.path().join("outside/secret")).unwrap(), "untouched");
    assert_eq!(fs::read_dir(folder.path().join("outside")).unwrap().count(), 1);
    Outcome { folder, result }
}

async fn unpack(layers: &[&[Entry]]) -> Outcome {
    let layers: Vec<_> = layers.iter().map(|entries| layer(entries)).collect();
    unpack_within(&layers, Limits::default(), <[u8]>::to_vec).await
}

#[tokio::test]
async fn whiteouts_take_away_what_lower_layers_put() {
    let lower: &[Entry] = &[
        Folder("etc", 0o755),
        File("etc/a", "1"),
        File("etc/b", "1"),
        Folder("opt", 0o755),
        Folder("opt/x", 0o755),
        File("opt/x/deep", "1"),
        File("opt/y", "1"),
    ];
    let upper: &[Entry] = &[
        File("etc/.wh.a", ""),
        File("etc/b", "2"),
        Folder("opt", 0o755),
        File("opt/new", "2"),
        File("opt/.wh..wh..opq", ""),
        File(".wh.none", ""),
    ];
    assert_eq!(unpack(&[lower, upper]).await.tree(), ["etc/", "etc/b: 2", "opt/", "opt/new: 2"]);
}

#[tokio::test]
async fn nothing_climbs_out() {
    for name in ["../outside/secret", "a/../../outside/secret", "..", "a/.."] {
        let outcome = unpack(&[&[File(name, "changed")]]).await;
        assert!(outcome.refused().contains("climbs out"), "{name}: {}", outcome.refused());
    }
    assert!(unpack(&[&[File("../.wh.outside", "")]]).await.refused().contains("climbs out"));
    assert!(unpack(&[&[File("a/.wh...", "")]]).await.refused().contains("names nothing"));
    assert_eq!(unpack(&[&[File("/etc/absolute", "1")]]).await.tree(), ["etc/", "etc/absolute: 1"]);
}

#[tokio::test]
async fn no_link_leads_out() {
    let relative = unpack(&[&[Link("out", "../outside"), File("out/secret", "changed")]]).await;
    assert_eq!(relative.tree(), ["out -> ../outside", "outside/", "outside/secret: changed"]);
    let absolute = unpack(&[&[Link("out", "/tmp"), File("out/file", "1")]]).await;
    assert_eq!(absolute.tree(), ["out -> /tmp", "tmp/", "tmp/file: 1"]);
    // A link in the place of a file is replaced, not written through.
    let replaced = unpack(&[&[Link("file", "../outside/secret")], &[File("file", "changed")]]).await;
    assert_eq!(replaced.tree(), ["file: changed"]);
    // A whiteout below a link takes away what is inside, and an opaque one as well.
    let whiteout =
        unpack(&[&[Link("out", "../outside")], &[File("out/.wh.secret", ""), File("out/.wh..wh..opq", "")]]);
    assert_eq!(whiteout.await.tree(), ["out -> ../outside"]);
    let hard = unpack(&[&[Hard("stolen", "../outside/secret")]]).await;
    assert!(hard.refused().contains("climbs out"), "{}", hard.refused());
    let through = unpack(&[&[Link("out", "../outside"), Hard("stolen", "out/secret")]]).await;
    through.refused();
    let circle = unpack(&[&[Link("a", "b"), Link("b", "a"), File("a/x", "1")]]).await;
    assert!(circle.refused().contains("too many links"), "{}", circle.refused());
}

#[tokio::test]
async fn links_and_modes_arrive_and_devices_are_named() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let outcome = unpack(&[&[
        Folder("closed", 0o555),
        File("closed/file", "1"),
        Hard("hard", "closed/file"),
        Link("soft", "closed/file"),
        Device("dev/null"),
    ]])
    .await;
    assert_eq!(outcome.tree(), ["closed/", "closed/file: 1", "dev/", "hard: 1", "soft -> closed/file"]);
    let meta = |name: &str| fs::metadata(outcome.root().join(name)).unwrap();
    assert_eq!(meta("closed").permissions().mode() & 0o7777, 0o555);
    assert_eq!(meta("hard").ino(), meta("closed/file").ino());
    assert_eq!(meta("hard").mtime(), 1);
    assert_eq!(outcome.result.as_ref().unwrap().skipped, [PathBuf::from("dev/null")]);
    fs::set_permissions(outcome.root().join("closed"), fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn files_and_folders_give_way_to_each_other() {
    let lower: &[Entry] = &[File("a", "1"), Folder("b", 0o755), File("b/c", "1")];
    let upper: &[Entry] = &[File("a/x", "2"), File("b", "2")];
    assert_eq!(unpack(&[lower, upper]).await.tree(), ["a/", "a/x: 2", "b: 2"]);
}

#[tokio::test]
async fn every_compression_is_read_and_a_bomb_refused() {
    let plain = layer(&[File("a", "1")]);
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
    for outcome in [
        unpack_within(std::slice::from_ref(&plain), Limits::default(), gzip).await,
        unpack_within(std::slice::from_ref(&plain), Limits::default(), zstd).await,
    ] {
        assert_eq!(outcome.tree(), ["a: 1"]);
    }
    let content: &'static str = Box::leak("0".repeat(2_000_000).into_boxed_str());
    let bomb = vec![layer(&[File("zeros", content)])];
    let few = Limits { bytes: 1_000_000, ..Limits::default() };
    assert!(unpack_within(&bomb, few, gzip).await.refused().contains("more than 1000000 bytes"));
    let names = vec![layer(&[File("a", ""), File("b", ""), File("c", "")])];
    let few = Limits { entries: 2, ..Limits::default() };
    assert!(unpack_within(&names, few, gzip).await.refused().contains("more than 2 entries"));
    let damaged = unpack_within(&[plain], Limits::default(), |bytes| gzip(&bytes[..700])).await;
    damaged.refused();
}
