use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use sluice_registry::image::{
    Content, CopyOptions, Endpoint, ImageError, Limits, Location, PackOptions, copy, inspect, list, pack,
    remove, repositories, unpack,
};
use sluice_registry::{Credentials, Platform};

use crate::support::{TestRegistry, index};

fn at(text: &str) -> Location {
    text.parse().unwrap()
}

/// A small application's folder.
fn application(folder: &Path) -> PackOptions {
    let from = folder.join("app");
    fs::create_dir_all(from.join("static")).unwrap();
    fs::write(from.join("serve"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(from.join("serve"), fs::Permissions::from_mode(0o750)).unwrap();
    fs::write(from.join("static/index.html"), "<h1>hello</h1>").unwrap();
    if !from.join("home").exists() {
        std::os::unix::fs::symlink("static/index.html", from.join("home")).unwrap();
    }
    let mut options = PackOptions::new(vec![Content { from, to: "/srv/app".to_owned() }]);
    options.entrypoint = Some(vec!["/srv/app/serve".to_owned()]);
    options.cmd = Some(vec!["--port".to_owned(), "8000".to_owned()]);
    options.env.insert("LOG_LEVEL".to_owned(), "info".to_owned());
    options.working_dir = Some("/srv/app".to_owned());
    options.user = Some("1000:1000".to_owned());
    options.exposed_ports = vec!["8000".to_owned()];
    options.labels.insert("org.opencontainers.image.version".to_owned(), "1.2.3".to_owned());
    options.labels.insert("org.opencontainers.image.revision".to_owned(), "a".repeat(40));
    options
}

#[tokio::test]
async fn the_same_files_give_the_same_image() {
    let folder = tempfile::tempdir().unwrap();
    let options = application(folder.path());
    let first =
        pack(&options, &at(&format!("oci:{}:v1", folder.path().join("one").display()))).await.unwrap();
    // Other times and other permissions that do not count.
    for path in ["app/serve", "app/static/index.html"] {
        let file = fs::File::options().append(true).open(folder.path().join(path)).unwrap();
        file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    }
    fs::set_permissions(folder.path().join("app/serve"), fs::Permissions::from_mode(0o700)).unwrap();
    let archive = folder.path().join("two.tar");
    let second = pack(&options, &at(&format!("oci-archive:{}:v1", archive.display()))).await.unwrap();
    assert_eq!(first, second);
    fs::write(folder.path().join("app/serve"), "other").unwrap();
    let third =
        pack(&options, &at(&format!("oci:{}:v2", folder.path().join("one").display()))).await.unwrap();
    assert_ne!(first.digest, third.digest);
    let listed = list(&at(&format!("oci:{}", folder.path().join("one").display()))).await.unwrap();
    assert_eq!(listed.iter().map(|one| one.tag.as_ref().unwrap().as_str()).collect::<Vec<_>>(), ["v1", "v2"]);
}

#[tokio::test]
async fn an_image_goes_from_a_folder_through_registries_and_back() {
    let test = TestRegistry::guarded().await;
    let ann = || Credentials::Basic { username: "ann".to_owned(), password: "secret".to_owned() };
    let folder = tempfile::tempdir().unwrap();
    let options = application(folder.path());
    let pushed = at(&format!("{}/store/api:v1", test.host)).with_credentials(ann());
    let packed = pack(&options, &pushed).await.unwrap();

    let other = at(&format!("{}/other/api:v2", test.host)).with_credentials(ann());
    let copied = copy(&pushed, &other, &CopyOptions::default()).await.unwrap();
    assert_eq!((copied.digest.clone(), copied.manifests, copied.blobs), (packed.digest.clone(), 1, 2));
    let again = copy(&pushed, &other, &CopyOptions::default()).await.unwrap();
    assert_eq!((again.blobs, again.blobs_present), (0, 2));

    let layout = at(&format!("oci:{}:v2", folder.path().join("layout").display()));
    copy(&other, &layout, &CopyOptions::default()).await.unwrap();
    let archive = at(&format!("oci-archive:{}:v3", folder.path().join("image.tar").display()));
    assert_eq!(copy(&layout, &archive, &CopyOptions::default()).await.unwrap().digest, packed.digest);

    let shown = inspect(&archive, None).await.unwrap();
    let config = shown.config.unwrap();
    assert_eq!((shown.digest, shown.size_bytes), (packed.digest.clone(), packed.size_bytes));
    assert_eq!(config.config.argv(), ["/srv/app/serve", "--port", "8000"]);
    assert_eq!(config.config.env, ["LOG_LEVEL=info"]);
    assert_eq!(
        (config.config.version(), config.config.revision()),
        (Some("1.2.3"), Some("a".repeat(40).as_str()))
    );
    assert_eq!(config.config.exposed_ports.keys().collect::<Vec<_>>(), ["8000/tcp"]);

    for (n, location) in [&pushed, &layout, &archive].into_iter().enumerate() {
        let into = folder.path().join(format!("root{n}"));
        let unpacked = unpack(location, &Platform::host(), &into, Limits::default()).await.unwrap();
        assert_eq!(unpacked.image.digest, packed.digest);
        let mode = |path: &str| fs::metadata(into.join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("srv/app/serve"), mode("srv/app/static/index.html")), (0o755, 0o644));
        assert_eq!(fs::read_to_string(into.join("srv/app/home")).unwrap(), "<h1>hello</h1>");
    }
    let name = "store/api".parse().unwrap();
    let into = folder.path().join("local");
    let reference = packed.digest.clone().into();
    test.registry.unpack(&name, &reference, &Platform::host(), &into, Limits::default()).await.unwrap();
    assert!(into.join("srv/app/serve").exists());
    let read = test.registry.image(&name, &reference, &Platform::host()).await.unwrap();
    assert_eq!(read.config.config.user, "1000:1000");

    let endpoint = Endpoint::new(&test.host).with_credentials(ann());
    let names: Vec<String> = repositories(&endpoint).await.unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["other/api", "store/api"]);
    remove(&other).await.unwrap();
    assert!(matches!(remove(&other).await, Err(ImageError::NotFound { .. })));
    remove(&layout).await.unwrap();
    assert!(matches!(inspect(&layout, None).await, Err(ImageError::NotFound { .. })));
}

#[tokio::test]
async fn a_base_gives_its_layers_and_settings() {
    let test = TestRegistry::open().await;
    let folder = tempfile::tempdir().unwrap();
    let base = at(&format!("{}/base:v1", test.host));
    pack(&application(folder.path()), &base).await.unwrap();
    let extra = folder.path().join("extra.txt");
    fs::write(&extra, "extra").unwrap();
    let mut options = PackOptions::new(vec![Content { from: extra, to: "/srv/app/extra.txt".to_owned() }]);
    options.base = Some(base);
    options.env.insert("LOG_LEVEL".to_owned(), "debug".to_owned());
    options.entrypoint = Some(vec!["/srv/app/other".to_owned()]);
    let layout = at(&format!("oci:{}:v1", folder.path().join("layout").display()));
    pack(&options, &layout).await.unwrap();
    let config = inspect(&layout, None).await.unwrap().config.unwrap();
    assert_eq!((config.rootfs.diff_ids.len(), config.history.len()), (2, 2));
    assert_eq!(config.config.env, ["LOG_LEVEL=debug"]);
    assert_eq!(config.config.argv(), ["/srv/app/other"]);
    assert_eq!(config.config.version(), Some("1.2.3"));
    let into = folder.path().join("root");
    unpack(&layout, &Platform::host(), &into, Limits::default()).await.unwrap();
    assert!(into.join("srv/app/serve").exists() && into.join("srv/app/extra.txt").exists());
}

#[tokio::test]
async fn an_index_is_copied_whole_or_for_one_platform() {
    let test = TestRegistry::open().await;
    let folder = tempfile::tempdir().unwrap();
    let mut texts = Vec::new();
    for architecture in ["amd64", "arm64"] {
        let mut options = application(folder.path());
        options.platform.architecture = architecture.to_owned();
        let packed = pack(&options, &at(&format!("{}/multi:{architecture}", test.host))).await.unwrap();
        let stored = test.registry.manifest(&"multi".parse().unwrap(), &packed.digest.into()).await.unwrap();
        texts.push((architecture, String::from_utf8(stored.bytes.to_vec()).unwrap()));
    }
    let mut list: serde_json::Value = serde_json::from_str(&index(&[&texts[0].1, &texts[1].1])).unwrap();
    for (n, (architecture, _)) in texts.iter().enumerate() {
        list["manifests"][n]["platform"] = serde_json::json!({ "os": "linux", "architecture": architecture });
    }
    test.put_manifest("multi", "all", &list.to_string()).await.is(reqwest::StatusCode::CREATED);

    let from = at(&format!("{}/multi:all", test.host));
    let whole = at(&format!("oci:{}:all", folder.path().join("whole").display()));
    assert_eq!(copy(&from, &whole, &CopyOptions::default()).await.unwrap().manifests, 3);
    assert_eq!(inspect(&whole, None).await.unwrap().manifests.len(), 2);
    let arm: Platform = "linux/arm64".parse().unwrap();
    assert_eq!(inspect(&whole, Some(&arm)).await.unwrap().config.unwrap().platform, arm);
    let one = at(&format!("{}/one:arm", test.host));
    let options = CopyOptions { platform: Some(arm) };
    assert_eq!(copy(&whole, &one, &options).await.unwrap().manifests, 1);
    let riscv: Platform = "linux/riscv64".parse().unwrap();
    let missing = inspect(&from, Some(&riscv)).await.unwrap_err().to_string();
    assert!(
        missing.ends_with("has no image for linux/riscv64; it has linux/amd64, linux/arm64"),
        "{missing}"
    );
}

#[tokio::test]
async fn what_goes_wrong_is_told_by_name() {
    let test = TestRegistry::guarded().await;
    let folder = tempfile::tempdir().unwrap();
    let target = at(&format!("oci:{}:v1", folder.path().join("layout").display()));
    let from = |name: &str| at(&format!("{}/{name}", test.host));
    let ben = |place: Location| {
        place.with_credentials(Credentials::Basic {
            username: "ben".to_owned(),
            password: "secret".to_owned(),
        })
    };
    let none = CopyOptions::default();
    assert!(matches!(copy(&from("ann/x:v1"), &target, &none).await, Err(ImageError::Unauthorized { .. })));
    assert!(matches!(copy(&ben(from("ann/x:v1")), &target, &none).await, Err(ImageError::Denied { .. })));
    assert!(matches!(copy(&ben(from("ben/x:v1")), &target, &none).await, Err(ImageError::NotFound { .. })));
    assert!(matches!(copy(&ben(from("ben/x")), &target, &none).await, Err(ImageError::NoReference(_))));
    assert!(matches!(copy(&from("public/x:v1"), &target, &none).await, Err(ImageError::NotFound { .. })));
    let nobody = at("127.0.0.1:1/x:v1");
    assert!(matches!(copy(&nobody, &target, &none).await, Err(ImageError::Unreachable { .. })));
    let no_layout = at(&format!("oci:{}:v1", folder.path().display()));
    assert!(matches!(inspect(&no_layout, None).await, Err(ImageError::Layout { .. })));
    fs::write(folder.path().join("occupied"), "").unwrap();
    assert!(matches!(pack(&application(folder.path()), &no_layout).await, Err(ImageError::Layout { .. })));
}

#[tokio::test]
async fn damaged_bytes_are_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let layout = at(&format!("oci:{}:v1", folder.path().join("layout").display()));
    pack(&application(folder.path()), &layout).await.unwrap();
    let layer = inspect(&layout, None).await.unwrap().layers[0].digest.clone();
    let path = folder.path().join("layout/blobs/sha256").join(layer.hex());
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    let target = at(&format!("oci:{}:v1", folder.path().join("target").display()));
    copy(&layout, &target, &CopyOptions::default()).await.unwrap_err();
    assert!(matches!(inspect(&target, None).await, Err(ImageError::NotFound { .. })));
    let into = folder.path().join("root");
    let refused = unpack(&layout, &Platform::host(), &into, Limits::default()).await;
    assert!(matches!(refused, Err(ImageError::Layer { .. })), "{refused:?}");
}
