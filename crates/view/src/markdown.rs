use maud::{Markup, PreEscaped};
use pulldown_cmark::{CowStr, Event, LinkType, Options, Parser, Tag, TagEnd};

/// GitHub's Markdown (tables, task lists, strikethrough, alerts) as HTML that may stand in a page.
///
/// HTML in the text is shown as text: jobs write it, and a page must do nothing that they say. A picture becomes a link to it, and a
/// link that leads anywhere but to the web is only its words.
pub fn markdown(text: &str) -> Markup {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_GFM;
    let mut html = String::new();
    pulldown_cmark::html::push_html(&mut html, Parser::new_ext(text, options).map(tame));
    PreEscaped(html)
}

fn tame(event: Event<'_>) -> Event<'_> {
    match event {
        Event::Html(html) | Event::InlineHtml(html) => Event::Text(html),
        Event::Start(Tag::Image { dest_url, title, id, .. }) => Event::Start(Tag::Link {
            link_type: LinkType::Inline,
            dest_url: tame_address(dest_url),
            title,
            id,
        }),
        Event::End(TagEnd::Image) => Event::End(TagEnd::Link),
        Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
            Event::Start(Tag::Link { link_type, dest_url: tame_address(dest_url), title, id })
        }
        other => other,
    }
}

fn tame_address(address: CowStr<'_>) -> CowStr<'_> {
    let is_web = ["https://", "http://", "#"].iter().any(|start| {
        address.get(..start.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(start))
    });
    if is_web { address } else { "#".into() }
}

#[cfg(test)]
mod tests {
    use super::markdown;

    #[test]
    fn a_summary_is_drawn() {
        let html =
            markdown("### Tests\n\n| suite | passed |\n|---|---|\n| unit | ~~3~~ 4 |\n\n- [x] done\n").0;
        for part in ["<h3>Tests</h3>", "<td>unit</td>", "<del>3</del>", "type=\"checkbox\" checked"] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
    }

    #[test]
    fn nothing_in_it_acts() {
        for text in [
            "<script>alert(1)</script>",
            "a <img src=x onerror=alert(1)> b",
            "[click](javascript:alert(1))",
            "[click](JaVaScRiPt:alert(1))",
            "![pixel](https://example.com/seen.png)",
            "<javascript:alert(1)>",
            "[x]: data:text/html,<script>1</script>\n\n[x]",
        ] {
            let html = markdown(text).0;
            for part in ["<script", "<img", "=\"javascript", "=\"JaVa", "=\"data:"] {
                assert!(!html.contains(part), "{part} is in {html}");
            }
        }
    }
}
