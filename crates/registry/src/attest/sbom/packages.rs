use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

/// Something that was installed in an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Package {
    pub ecosystem: Ecosystem,
    pub name: String,
    pub version: String,
    /// In the ecosystem's own words; empty where it has none.
    pub architecture: String,
    /// The distribution, as `ID` of os-release: `debian`; empty for npm.
    pub distribution: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ecosystem {
    Debian,
    Alpine,
    Npm,
}

impl Package {
    /// Package URL (purl-spec).
    pub fn purl(&self) -> String {
        let escaped = |text: &str| {
            percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC)
                .to_string()
                .replace("%2E", ".")
                .replace("%2D", "-")
                .replace("%5F", "_")
                .replace("%7E", "~")
        };
        let kind = match self.ecosystem {
            Ecosystem::Debian => "deb",
            Ecosystem::Alpine => "apk",
            Ecosystem::Npm => "npm",
        };
        let namespace = if self.distribution.is_empty() {
            String::new()
        } else {
            format!("{}/", escaped(&self.distribution))
        };
        // The scope of an npm package is its namespace.
        let name: Vec<String> = self.name.split('/').map(escaped).collect();
        let purl = format!("pkg:{kind}/{namespace}{}@{}", name.join("/"), escaped(&self.version));
        match self.architecture.as_str() {
            "" => purl,
            architecture => format!("{purl}?arch={}", escaped(architecture)),
        }
    }
}

const DPKG: &str = "var/lib/dpkg/status";
const DPKG_PARTS: &str = "var/lib/dpkg/status.d/";
const APK: [&str; 2] = ["lib/apk/db/installed", "usr/lib/apk/db/installed"];
const OS_RELEASE: [&str; 2] = ["etc/os-release", "usr/lib/os-release"];

/// Whether a file says what is installed.
pub(super) fn is_wanted(path: &str) -> bool {
    path == DPKG
        || (path.starts_with(DPKG_PARTS) && !path.ends_with(".md5sums"))
        || APK.contains(&path)
        || OS_RELEASE.contains(&path)
        || is_npm(path)
}

/// `…/node_modules/name/package.json`, `…/node_modules/@scope/name/package.json`.
fn is_npm(path: &str) -> bool {
    let Some(folder) = path.strip_suffix("/package.json") else { return false };
    let Some((before, name)) = folder.rsplit_once("node_modules/") else { return false };
    (before.is_empty() || before.ends_with('/'))
        && match name.split_once('/') {
            None => !name.is_empty(),
            Some((scope, name)) => scope.starts_with('@') && !name.is_empty() && !name.contains('/'),
        }
}

/// In order, each once.
pub(super) fn found(files: &BTreeMap<String, Vec<u8>>) -> Vec<Package> {
    let release = OS_RELEASE.iter().find_map(|path| files.get(*path));
    let id = release.and_then(|bytes| os_id(&String::from_utf8_lossy(bytes)));
    let mut packages = BTreeSet::new();
    for (path, bytes) in files {
        let text = String::from_utf8_lossy(bytes);
        if path == DPKG || path.starts_with(DPKG_PARTS) {
            packages.extend(dpkg(&text, id.as_deref().unwrap_or("debian")));
        } else if APK.contains(&path.as_str()) {
            packages.extend(apk(&text, id.as_deref().unwrap_or("alpine")));
        } else if is_npm(path) {
            packages.extend(npm(bytes));
        }
    }
    packages.into_iter().collect()
}

fn os_id(text: &str) -> Option<String> {
    let id = text.lines().find_map(|line| line.strip_prefix("ID="))?.trim().trim_matches(['"', '\'']);
    (!id.is_empty()).then(|| id.to_owned())
}

/// deb822 paragraphs. Distroless images have one a file, without a `Status`.
fn dpkg(text: &str, distribution: &str) -> Vec<Package> {
    let mut found = Vec::new();
    for paragraph in text.replace("\r\n", "\n").split("\n\n") {
        let field = |name: &str| {
            let line = paragraph.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
        };
        let is_installed = field("Status").is_none_or(|status| status.ends_with(" installed"));
        if let (true, Some(name), Some(version)) = (is_installed, field("Package"), field("Version")) {
            found.push(Package {
                ecosystem: Ecosystem::Debian,
                name,
                version,
                architecture: field("Architecture").unwrap_or_default(),
                distribution: distribution.to_owned(),
            });
        }
    }
    found
}

/// Alpine's installed database: `P:` name, `V:` version, `A:` architecture.
fn apk(text: &str, distribution: &str) -> Vec<Package> {
    let mut found = Vec::new();
    for paragraph in text.split("\n\n") {
        let field =
            |name: &str| paragraph.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
        if let (Some(name), Some(version)) = (field("P:"), field("V:")) {
            found.push(Package {
                ecosystem: Ecosystem::Alpine,
                name,
                version,
                architecture: field("A:").unwrap_or_default(),
                distribution: distribution.to_owned(),
            });
        }
    }
    found
}

fn npm(bytes: &[u8]) -> Option<Package> {
    #[derive(Deserialize)]
    struct Manifest {
        name: String,
        version: String,
    }
    let Manifest { name, version } = serde_json::from_slice(bytes).ok()?;
    let (architecture, distribution) = (String::new(), String::new());
    Some(Package { ecosystem: Ecosystem::Npm, name, version, architecture, distribution })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_urls_are_the_specifications() {
        let of = |ecosystem, name: &str, version: &str, architecture: &str, distribution: &str| {
            let owned = str::to_owned;
            let (name, version) = (owned(name), owned(version));
            let (architecture, distribution) = (owned(architecture), owned(distribution));
            Package { ecosystem, name, version, architecture, distribution }.purl()
        };
        for (purl, expected) in [
            (
                of(Ecosystem::Debian, "curl", "7.50.3-1", "i386", "debian"),
                "pkg:deb/debian/curl@7.50.3-1?arch=i386",
            ),
            (
                of(Ecosystem::Debian, "libstdc++6", "1:2.3", "", "debian"),
                "pkg:deb/debian/libstdc%2B%2B6@1%3A2.3",
            ),
            (
                of(Ecosystem::Alpine, "curl", "7.83.0-r0", "x86_64", "alpine"),
                "pkg:apk/alpine/curl@7.83.0-r0?arch=x86_64",
            ),
            (
                of(Ecosystem::Npm, "@angular/animation", "12.3.1", "", ""),
                "pkg:npm/%40angular/animation@12.3.1",
            ),
        ] {
            assert_eq!(purl, expected);
        }
    }

    #[test]
    fn only_what_is_installed_counts() {
        let text = "Package: a\nStatus: install ok installed\nVersion: 1\n\nPackage: b\nStatus: deinstall ok config-files\nVersion: 2\n\nPackage: c\nVersion: 3\nDescription: x\n Package: d\n";
        let names: Vec<String> = dpkg(text, "debian").into_iter().map(|package| package.name).collect();
        assert_eq!(names, ["a", "c"]);
    }

    #[test]
    fn what_names_packages_is_wanted() {
        for path in ["var/lib/dpkg/status", "node_modules/a/package.json", "x/node_modules/@s/a/package.json"]
        {
            assert!(is_wanted(path), "{path}");
        }
        for path in
            ["package.json", "my_node_modules/a/package.json", "node_modules/a/b/package.json", "etc/passwd"]
        {
            assert!(!is_wanted(path), "{path}");
        }
    }
}
