use std::sync::LazyLock;

use sha2::{Digest as _, Sha256};

/// A file that the pages refer to, under an address that changes with its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asset {
    /// `/assets/sluice.3f6c….css`: may be cached for ever (`Cache-Control: public, max-age=31536000, immutable`).
    pub path: String,
    pub mime: &'static str,
    pub bytes: Vec<u8>,
    /// With its quotes, as the `ETag` header takes it.
    pub etag: String,
    name: &'static str,
}

/// The asset at an address, none where there is none.
pub fn asset(path: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.path == path)
}

/// All of them.
pub fn assets() -> &'static [Asset] {
    &ASSETS
}

/// The address of an asset by its plain name: `sluice.css`. Unknown names give the name itself, which no route answers.
pub fn asset_path(name: &str) -> &str {
    ASSETS.iter().find(|asset| asset.name == name).map_or(name, |asset| asset.path.as_str())
}

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// Name, type, text. A module stands after those that it imports, for its text holds their addresses.
const SOURCES: &[(&str, &str, &str)] = &[
    ("sluice.css", "text/css; charset=utf-8", include_str!("../assets/sluice.css")),
    ("icon.svg", "image/svg+xml", include_str!("../assets/icon.svg")),
    ("time.js", JAVASCRIPT, include_str!("../assets/time.js")),
    ("morph.js", JAVASCRIPT, include_str!("../assets/morph.js")),
    ("lines.js", JAVASCRIPT, include_str!("../assets/lines.js")),
    ("live.js", JAVASCRIPT, include_str!("../assets/live.js")),
    ("keys.js", JAVASCRIPT, include_str!("../assets/keys.js")),
    ("log.js", JAVASCRIPT, include_str!("../assets/log.js")),
    ("sluice.js", JAVASCRIPT, include_str!("../assets/sluice.js")),
];

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    let mut assets: Vec<Asset> = Vec::with_capacity(SOURCES.len());
    for &(name, mime, text) in SOURCES {
        let mut text = text.to_owned();
        for earlier in &assets {
            text = text.replace(&format!("\"./{}\"", earlier.name), &format!("\"{}\"", earlier.path));
        }
        let hash: String = Sha256::digest(&text).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
        assets.push(Asset {
            path: format!("/assets/{stem}.{hash}.{extension}"),
            mime,
            bytes: text.into_bytes(),
            etag: format!("\"{hash}\""),
            name,
        });
    }
    assets
});
