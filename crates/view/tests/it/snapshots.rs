use crate::sample;

/// One tag a line, and no hash of an asset's content, so that a change of the stylesheet does not touch every page.
fn readable(page: &str) -> String {
    let mut text = page.replace("><", ">\n<");
    for asset in sluice_view::assets() {
        text = text
            .replace(&asset.path, &format!("/assets/{}", asset.path.split('.').next_back().unwrap_or("")));
    }
    text
}

#[test]
fn pages() {
    for (name, page) in sample::pages() {
        insta::assert_snapshot!(name, readable(&page));
    }
}

#[test]
fn a_release_that_no_run_made_leads_to_none() {
    let mut release = sample::release();
    release.origin.run = None;
    let html = release.render(&sample::frame()).into_string();
    assert!(html.contains("from images that were pushed from outside of the server, of "), "{html}");
    assert!(!html.contains("/runs/"), "{html}");
}
