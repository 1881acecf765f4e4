use std::fs;

use crate::floors::root;

const PURE: [&str; 10] = [
    "model",
    "source",
    "expression",
    "plan",
    "engine",
    "release",
    "dialect-github",
    "dialect-circleci",
    "pipelines",
    "view",
];

/// Crates that reach the world: a pure crate has no use for them.
const IMPURE: [&str; 10] =
    ["tokio", "hyper", "reqwest", "axum", "rusqlite", "bollard", "rustix", "tempfile", "rand", "ring"];

#[test]
fn every_pure_crate_bans_clocks_files_and_connections() {
    let read = |name: &str| {
        let path = root().join("crates").join(name).join("clippy.toml");
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let first = read(PURE[0]);
    for banned in ["SystemTime::now", "Instant::now", "std::env::var", "std::fs::File", "std::net::TcpStream"]
    {
        assert!(first.contains(banned), "{banned} is not banned");
    }
    for name in PURE {
        assert_eq!(read(name), first, "crates/{name}/clippy.toml differs from the others");
    }
}

#[test]
fn no_pure_crate_depends_on_what_reaches_the_world() {
    for name in PURE {
        let path = root().join("crates").join(name).join("Cargo.toml");
        let manifest = fs::read_to_string(&path).expect("a manifest");
        let shipped = manifest.split("[dev-dependencies]").next().unwrap_or_default();
        for line in shipped.lines() {
            let import = line.split(['.', ' ', '=']).next().unwrap_or_default();
            assert!(!IMPURE.contains(&import), "`{name}` depends on `{import}`");
        }
    }
}
