use super::keys::{REGISTRY, RETENTION};
use super::reader::{Map, Reader};
use super::words::{is_image_pattern, is_tag_pattern};
use crate::RetentionRule;

const MAX_RULES: usize = 100;

const MAX_FOLLOWED: usize = 100;

/// The file's `registry`.
#[derive(Default)]
pub(crate) struct Registry {
    pub retention: Vec<RetentionRule>,
    pub follow: Vec<String>,
}

pub(crate) fn registry(reader: &mut Reader<'_>, root: &Map<'_>) -> Registry {
    let map = root.get("registry").and_then(|node| reader.map(node, "registry", REGISTRY));
    map.map_or_else(Registry::default, |registry| Registry {
        retention: retention(reader, &registry),
        follow: follow(reader, &registry),
    })
}

fn follow(reader: &mut Reader<'_>, registry: &Map<'_>) -> Vec<String> {
    let Some(node) = registry.get("follow") else { return Vec::new() };
    let patterns = reader.texts(registry, "follow").unwrap_or_default();
    if patterns.len() > MAX_FOLLOWED {
        let message =
            format!("`registry.follow` has {} patterns; at most {MAX_FOLLOWED} are taken", patterns.len());
        reader.error(node, "too-many", message);
    }
    for pattern in patterns.iter().filter(|pattern| !is_image_pattern(pattern)) {
        let message = format!(
            "`{pattern}` in `registry.follow` names no images: expected a name in which `*` stands for any characters, as \
             in `base/*`"
        );
        reader.error(node, "wrong-form", message);
    }
    patterns
}

fn retention(reader: &mut Reader<'_>, registry: &Map<'_>) -> Vec<RetentionRule> {
    let Some(node) = registry.get("retention") else { return Vec::new() };
    let Some(items) = node.items() else {
        reader.error(node, "wrong-form", "`registry.retention` is no list of rules");
        return Vec::new();
    };
    if items.len() > MAX_RULES {
        let message =
            format!("`registry.retention` has {} rules; at most {MAX_RULES} are taken", items.len());
        reader.error(node, "too-many", message);
        return Vec::new();
    }
    let mut rules = Vec::new();
    for (position, item) in items.iter().enumerate() {
        let place = format!("registry.retention[{position}]");
        let Some(map) = reader.map(item, &place, RETENTION) else { continue };
        let pattern = |text: &str| is_tag_pattern(text).then(|| text.to_owned());
        let expected = "a tag in which `*` stands for any characters, as in `build-*`,";
        if map.get("tags").is_none() {
            reader.error(item, "missing-key", format!("`{place}` has no `tags`"));
        }
        let tags = reader.read(&map, "tags", pattern, expected);
        let mut bound = |key, most| map.get(key).map(|_| reader.int(&map, key, 0, 0, most) as u32);
        let (keep, days) = (bound("keep", 1_000_000), bound("days", 36_500));
        if keep.is_none() && days.is_none() {
            let help = "say how many of the newest stay, `keep: 20`, or for how long, `days: 30`, or both";
            let message = format!("`{place}` bounds nothing: it has neither `keep` nor `days`");
            reader.error_with_help(item, "missing-key", message, Some(help.to_owned()));
        }
        rules.extend(tags.map(|tags| RetentionRule { tags, keep, days }));
    }
    rules
}
