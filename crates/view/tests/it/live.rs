//! The regions of a page are in the page, and the messages are what an `EventSource` reads.

use sluice_view::*;

use crate::sample::{self, frame};

/// What a browser makes of one message (HTML, 9.2.6): the event, and the data lines joined.
fn read(message: &str) -> (String, String) {
    let (mut event, mut data) = (String::new(), Vec::new());
    for line in message.strip_suffix("\n\n").expect("an empty line at the end").split(['\n', '\r']) {
        match line.split_once(": ") {
            Some(("event", value)) => event = value.to_owned(),
            Some(("data", value)) => data.push(value.to_owned()),
            _ => panic!("not a field: {line}"),
        }
    }
    (event, data.join("\n"))
}

#[test]
fn every_region_stands_in_its_page() {
    let frame = frame();
    for (page, regions, names) in [
        (sample::runs().render(&frame), sample::runs().regions(&frame), vec!["runs"]),
        (
            sample::waiting_run().render(&frame),
            sample::waiting_run().regions(&frame),
            vec!["state", "trouble", "graph", "jobs"],
        ),
        (sample::job_page().render(&frame), sample::job_page().regions(&frame), vec!["state", "steps"]),
        (sample::board().render(&frame), sample::board().regions(&frame), vec!["board"]),
        (sample::releases().render(&frame), sample::releases().regions(&frame), vec!["releases"]),
        (sample::release().render(&frame), sample::release().regions(&frame), vec!["way", "history"]),
    ] {
        let page = page.into_string();
        assert_eq!(regions.iter().map(|region| region.name).collect::<Vec<_>>(), names);
        assert_eq!(page.matches("data-region=").count(), names.len());
        for region in regions {
            assert!(page.contains(&format!("data-region=\"{}\"", region.name)));
            assert!(page.contains(&region.html), "{} differs from the page", region.name);
            assert_eq!(read(&region.to_message()), (region.name.to_owned(), region.html));
        }
    }
}

#[test]
fn no_text_breaks_a_message() {
    let region = Region { name: "state", html: "a\r\nevent: end\ndata: x\n\nb".to_owned() };
    let message = region.to_message();
    assert_eq!(message.matches("\n\n").count(), 1, "one message, though the text holds empty lines");
    assert_eq!(read(&message).0, "state");
}

#[test]
fn the_feed_of_a_log_goes_on_where_it_was() {
    let lines = [
        sample::log_line(1, 0, "\x1b[31mred"),
        sample::log_line(1, 0, "still"),
        sample::log_line(2, 0, "not"),
    ];
    let mut feed = LogFeed::new();
    let first = feed.lines(7, &lines[..1]);
    let rest = feed.lines(8, &lines[1..]);
    insta::assert_snapshot!(format!("{first}{rest}"), @r#"
    {"n":7,"s":1,"t":1795193255000,"h":"<span class=\"f1\">red</span>"}
    {"n":8,"s":1,"t":1795193255000,"h":"<span class=\"f1\">still</span>"}
    {"n":9,"s":2,"t":1795193255000,"h":"not"}
    "#);
    assert_eq!(LogFeed::new().lines(1, &[]), "");
}

#[test]
fn an_asset_is_found_by_the_address_that_the_page_gives() {
    let page = sample::home().render(&frame()).into_string();
    for name in ["sluice.css", "sluice.js", "icon.svg"] {
        let path = asset_path(name);
        assert!(page.contains(path), "{path}");
        let asset = asset(path).expect("served");
        assert!(path.contains(asset.etag.trim_matches('"')));
    }
    assert_eq!(
        asset("/assets/sluice.css"),
        None,
        "the plain name may not be cached for ever, so it is not served"
    );
    assert_eq!(asset("/assets/../sluice.css"), None);
}

#[test]
fn every_import_of_a_module_is_served() {
    for module in assets().iter().filter(|asset| asset.path.ends_with(".js")) {
        let text = String::from_utf8(module.bytes.clone()).expect("text");
        for line in text.lines().filter(|line| line.starts_with("import ")) {
            let address = line.split('"').nth(1).expect("a quoted address");
            assert!(asset(address).is_some(), "{} imports {address}", module.path);
        }
    }
}

#[test]
fn a_link_to_a_line_leads_to_the_page_that_holds_it() {
    let mut page = sample::failed_run();
    for (line, address) in [
        (1, "/jobs/e2e#L1\""),
        (5_000, "/jobs/e2e#L5000\""),
        (5_001, "/jobs/e2e?from=5001#L5001\""),
        (99_999, "/jobs/e2e?from=95001#L99999\""),
    ] {
        page.errors[0].line = Some(line);
        assert!(page.render(&frame()).into_string().contains(address), "{address}");
    }
}
