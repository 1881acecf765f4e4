//! Draws every page with the sample's data into a folder, and the assets beside them: `cargo run -p sluice-view --example gallery -- FOLDER`.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the crate is pure; an example writes its pages"
)]

use std::fs;
use std::path::PathBuf;

#[path = "../tests/it/sample/mod.rs"]
mod sample;

fn main() -> std::io::Result<()> {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| "target/gallery".to_owned()));
    fs::create_dir_all(folder.join("assets"))?;
    for asset in sluice_view::assets() {
        fs::write(folder.join(asset.path.trim_start_matches('/')), &asset.bytes)?;
    }
    for (name, page) in sample::pages() {
        // A page that is opened as a file finds its assets beside it.
        fs::write(folder.join(format!("{name}.html")), page.replace("\"/assets/", "\"assets/"))?;
    }
    println!("{}", folder.display());
    Ok(())
}
