use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The house, from the ground up: a crate imports only crates on lower floors.
const FLOORS: [&[&str]; 7] = [
    &["model", "source", "docker", "kubernetes"],
    &["release", "expression", "proxy", "forge", "blobs"],
    &["plan", "deploy", "registry"],
    &["engine", "dialect-github", "dialect-circleci", "wire"],
    &["store", "view", "runner", "pipelines"],
    &["server"],
    &["cli"],
];

/// Development only: no other crate ships with it.
const TESTKIT: &str = "testkit";

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn floor_of(name: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&name))
}

/// The workspace crates that each table of a Cargo.toml names: `dependencies`, `dev-dependencies`, `build-dependencies`,
/// also under `target.…`.
fn imports(manifest: &str) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut table = String::new();
    for line in manifest.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            table = name.to_owned();
            // `[dependencies.sluice-x]` names one crate in the table's own name.
            if let Some((kind, name)) = name.split_once(".sluice-") {
                found.entry(kind.to_owned()).or_default().push(name.to_owned());
            }
        } else if let Some(rest) = line.strip_prefix("sluice-")
            && table.ends_with("dependencies")
        {
            let name = rest.split(['.', ' ', '=']).next().unwrap_or_default();
            found.entry(table.clone()).or_default().push(name.to_owned());
        }
    }
    found
}

/// What in a manifest breaks the floors.
fn faults(name: &str, manifest: &str) -> Vec<String> {
    let Some(floor) = floor_of(name) else {
        return if name == TESTKIT {
            Vec::new()
        } else {
            vec![format!("`{name}` has no floor: give it one in DESIGN")]
        };
    };
    let mut faults = Vec::new();
    for (table, names) in imports(manifest) {
        let is_test = table.ends_with("dev-dependencies");
        for import in names {
            match floor_of(&import) {
                Some(lower) if lower < floor => {}
                None if import == TESTKIT && is_test => {}
                // A test may drive a neighbour of its own floor, never one above.
                Some(same) if is_test && same == floor => {}
                Some(other) => faults.push(format!(
                    "`{name}` (floor {}) imports `{import}` (floor {}) in [{table}]",
                    floor + 1,
                    other + 1
                )),
                None => faults
                    .push(format!("`{name}` imports `{import}`, which no shipped crate may, in [{table}]")),
            }
        }
    }
    faults
}

#[test]
fn crates_import_only_lower_floors() {
    let mut faults_found = Vec::new();
    let mut seen = 0;
    for entry in fs::read_dir(root().join("crates")).expect("crates/ is there") {
        let folder = entry.expect("an entry").path();
        let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).expect("a manifest");
        assert!(manifest.contains(&format!("name = \"sluice-{name}\"")), "{name}: folder and crate differ");
        faults_found.extend(faults(&name, &manifest));
        seen += 1;
    }
    assert!(seen >= 20, "only {seen} crates were found");
    assert!(faults_found.is_empty(), "{}", faults_found.join("\n"));
}

#[test]
fn a_breach_is_seen() {
    for (name, manifest, expected) in [
        (
            "plan",
            "[dependencies]\nsluice-engine.workspace = true",
            "`plan` (floor 3) imports `engine` (floor 4)",
        ),
        ("plan", "[dependencies]\nsluice-deploy = { path = \"../deploy\" }", "imports `deploy` (floor 3)"),
        ("model", "[target.'cfg(unix)'.dependencies]\nsluice-source.workspace = true", "imports `source`"),
        ("model", "[dev-dependencies]\nsluice-plan.workspace = true", "imports `plan`"),
        ("plan", "[dependencies.sluice-wire]\nworkspace = true", "imports `wire`"),
        ("plan", "[dependencies]\nsluice-testkit.workspace = true", "imports `testkit`"),
        ("attic", "", "`attic` has no floor"),
    ] {
        let found = faults(name, manifest);
        assert!(found.len() == 1 && found[0].contains(expected), "{name}: {found:?}");
    }
    let sound = "[package]\nname = \"sluice-plan\"\n[dependencies]\nsluice-model.workspace = true\n\
                 [dev-dependencies]\nsluice-testkit.workspace = true\nsluice-registry.workspace = true\n";
    assert_eq!(faults("plan", sound), Vec::<String>::new());
}
