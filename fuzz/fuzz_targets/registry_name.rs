#![no_main]
//! A name, a reference or a pattern that is taken has one spelling, and none of them leads out of its folder.

use std::path::{Component, Path};

use libfuzzer_sys::fuzz_target;
use sluice_registry::{ImageRepository, Reference, RepositoryPattern, Tag, TagPattern, image::Location};

fn is_plain(text: &str) -> bool {
    Path::new(text).components().all(|part| matches!(part, Component::Normal(_)))
}

fuzz_target!(|text: &str| {
    if let Ok(name) = text.parse::<ImageRepository>() {
        assert!(name.as_str() == text && is_plain(text) && !text.split('/').any(|part| part.starts_with('_')));
        assert!(text.parse::<RepositoryPattern>().is_ok_and(|pattern| pattern.matches(&name)));
    }
    if let Ok(tag) = text.parse::<Tag>() {
        assert!(tag.as_str() == text && is_plain(text) && !text.contains('/'));
        assert!(text.parse::<TagPattern>().is_ok_and(|pattern| pattern.matches(&tag)));
    }
    if let Ok(reference) = text.parse::<Reference>() {
        assert_eq!(reference.to_string(), text);
    }
    if let Ok(pattern) = text.parse::<TagPattern>() {
        let _ = pattern.matches(&"version1.0.0-rc1".parse().expect("a tag"));
    }
    if let Ok(location) = text.parse::<Location>() {
        let written = location.to_string();
        assert_eq!(written.parse::<Location>().expect("a written location reads back").to_string(), written);
    }
});
