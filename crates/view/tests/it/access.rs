//! What every page owes to keyboards, screen readers and the content security policy.

use std::collections::HashMap;

use crate::sample;

/// A start tag: its name and its attributes. Enough of a parser for markup that escapes every `<` and quotes every value.
struct Tag<'a> {
    name: &'a str,
    attributes: HashMap<&'a str, &'a str>,
    /// The text up to the next tag.
    text: &'a str,
}

fn tags(page: &str) -> Vec<Tag<'_>> {
    page.split('<')
        .filter(|part| part.starts_with(|letter: char| letter.is_ascii_alphabetic()))
        .map(|part| {
            let (inside, text) = part.split_once('>').unwrap_or((part, ""));
            let (name, mut rest) = inside.split_once(' ').unwrap_or((inside, ""));
            let mut attributes = HashMap::new();
            while !rest.trim().is_empty() {
                rest = rest.trim_start();
                let end = rest.find(['=', ' ']).unwrap_or(rest.len());
                let name = &rest[..end];
                let value = match rest[end..].strip_prefix("=\"") {
                    Some(after) => {
                        let (value, after) = after.split_once('"').expect("a closed value");
                        rest = after;
                        value
                    }
                    None => {
                        rest = &rest[end..];
                        ""
                    }
                };
                assert!(attributes.insert(name, value).is_none(), "{name} stands twice in <{inside}>");
            }
            Tag { name, attributes, text }
        })
        .collect()
}

fn every_page(check: impl Fn(&str, &[Tag<'_>])) {
    for (name, page) in sample::pages() {
        check(name, &tags(&page));
    }
}

fn count(tags: &[Tag<'_>], name: &str) -> usize {
    tags.iter().filter(|tag| tag.name == name).count()
}

#[test]
fn one_main_heading_and_the_landmarks() {
    every_page(|page, tags| {
        assert_eq!(count(tags, "h1"), 1, "{page}");
        assert_eq!(count(tags, "main"), 1, "{page}");
        assert_eq!(count(tags, "header").min(1), 1, "{page}");
        assert_eq!(tags.iter().find(|tag| tag.name == "html").unwrap().attributes["lang"], "en");
        assert!(!tags.iter().find(|tag| tag.name == "title").unwrap().text.is_empty(), "{page}");
    });
}

#[test]
fn every_id_is_unique_and_every_reference_finds_one() {
    every_page(|page, tags| {
        let mut ids = HashMap::new();
        for id in tags.iter().filter_map(|tag| tag.attributes.get("id")) {
            assert!(ids.insert(*id, ()).is_none(), "{page}: {id} stands twice");
        }
        for tag in tags {
            for name in ["for", "aria-labelledby", "aria-describedby"] {
                if let Some(id) = tag.attributes.get(name) {
                    assert!(ids.contains_key(id), "{page}: <{}> refers to {id}", tag.name);
                }
            }
            if let Some(id) = tag.attributes.get("href").and_then(|href| href.strip_prefix('#')) {
                assert!(ids.contains_key(id), "{page}: no {id} to go to");
            }
        }
    });
}

#[test]
fn every_field_has_a_label_and_every_region_a_name() {
    every_page(|page, tags| {
        for (at, tag) in tags.iter().enumerate() {
            let attributes = &tag.attributes;
            let is_field =
                matches!(tag.name, "input" | "select") && attributes.get("type") != Some(&"hidden");
            let is_labelled = attributes.contains_key("aria-label")
                || attributes.get("id").is_some_and(|id| {
                    tags.iter().any(|label| label.name == "label" && label.attributes.get("for") == Some(id))
                })
                || (at > 0 && tags[at - 1].name == "label");
            assert!(!is_field || is_labelled, "{page}: <{}> {attributes:?}", tag.name);
            if tag.name == "section" && attributes.contains_key("data-region") {
                assert!(attributes.contains_key("aria-label"), "{page}: {attributes:?}");
            }
            if tag.name == "img" {
                assert!(attributes.contains_key("alt"), "{page}");
            }
        }
    });
}

/// `default-src 'none'` with `'self'` forbids all of these; a page that holds one would be broken, not only unsafe.
#[test]
fn nothing_that_the_content_security_policy_forbids() {
    every_page(|page, tags| {
        for tag in tags {
            assert!(!tag.attributes.contains_key("style"), "{page}: <{} style>", tag.name);
            assert!(
                !tag.attributes.keys().any(|name| name.starts_with("on")),
                "{page}: {:?}",
                tag.attributes
            );
            assert!(!matches!(tag.name, "style" | "iframe" | "base" | "object"), "{page}: <{}>", tag.name);
            if tag.name == "script" {
                assert!(tag.attributes["src"].starts_with("/assets/") && tag.text.is_empty(), "{page}");
            }
            for name in ["href", "src", "action"] {
                let value = tag.attributes.get(name).copied().unwrap_or("");
                assert!(!value.to_lowercase().starts_with("javascript:"), "{page}: {value}");
            }
        }
    });
}

#[test]
fn every_form_that_changes_something_carries_the_token() {
    for (name, page) in sample::pages().into_iter().filter(|(name, _)| !name.starts_with("sign-in")) {
        let posts = page.matches("method=\"post\"").count();
        let tokens = page.matches("name=\"form_token\" value=\"f0rm\"").count();
        assert_eq!(posts, tokens, "{name}");
    }
}

#[test]
fn buttons_say_what_happens() {
    let pages: HashMap<_, _> = sample::pages().into_iter().collect();
    for (page, words) in [
        ("board", "Approve for production"),
        ("board", "Roll back to version1.2.2"),
        ("board", "it has to be live in uat first"),
        ("run-failed", "Rerun 2 failed jobs"),
        ("run-waiting", "Cancel this run"),
        ("run-refused", "only those who may write may rerun"),
        ("release", "the author may not approve"),
        ("runs-empty", "git push http://127.0.0.1:7000/acme/storefront HEAD"),
        ("not-found", "There is no run 99 in acme/storefront"),
    ] {
        assert!(pages[page].contains(words), "{page} does not say {words}");
    }
}
