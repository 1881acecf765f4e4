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
