#![no_main]
//! No bytes make the reader of manifests panic, and what it takes is written and read again as the same.

use libfuzzer_sys::fuzz_target;
use sluice_registry::Manifest;

fuzz_target!(|bytes: &[u8]| {
    let Ok((manifest, media_type)) = Manifest::parse(bytes, None) else { return };
    let written = match &manifest {
        Manifest::Image(image) => serde_json::to_vec(image),
        Manifest::Index(index) => serde_json::to_vec(index),
    };
    let again = Manifest::parse(&written.expect("a manifest is JSON"), Some(&media_type));
    assert_eq!(again.expect("a written manifest reads back").0, manifest);
    assert!(manifest.blobs().count() + manifest.manifests().len() <= bytes.len());
});
