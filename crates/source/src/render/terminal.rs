use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet};

use crate::diagnostic::printable;
use crate::text::strip_mark;
use crate::{Diagnostic, Location, Severity};

/// Longer lines are not quoted: a terminal shows no more of them, and a hostile file has one of 10 MB.
const LONGEST_QUOTED_LINE_BYTES: usize = 1_000;

/// One diagnostic as a person reads it in a terminal: the message, the source lines with what is meant underlined,
/// and the help. `source` gives a file's text by the path in the diagnostic; without it only the place is named.
pub fn terminal<'s>(
    diagnostic: &Diagnostic,
    source: &dyn Fn(&str) -> Option<&'s str>,
    is_coloured: bool,
) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let title = level.primary_title(printable(&diagnostic.message).into_owned()).id(&diagnostic.code);
    let mut report = vec![title.elements(quotes(diagnostic, source))];
    for help in &diagnostic.help {
        report.push(Group::with_title(Level::HELP.secondary_title(printable(help).into_owned())));
    }
    let renderer = if is_coloured { Renderer::styled() } else { Renderer::plain() };
    renderer.decor_style(DecorStyle::Ascii).render(&report)
}

/// A mark under a stretch of one line.
struct Mark<'a> {
    location: &'a Location,
    length: u32,
    kind: AnnotationKind,
    label: Option<&'a str>,
}

/// The lines that the diagnostic speaks of, its own first, each quoted once.
fn quotes<'a, 's: 'a>(
    diagnostic: &'a Diagnostic,
    source: &dyn Fn(&str) -> Option<&'s str>,
) -> Vec<Element<'a>> {
    let primary = Mark {
        location: &diagnostic.location,
        length: diagnostic.length,
        kind: AnnotationKind::Primary,
        label: None,
    };
    let labels = diagnostic.labels.iter().map(|label| Mark {
        location: &label.location,
        length: label.length,
        kind: AnnotationKind::Context,
        label: Some(&label.message),
    });
    let mut lines: Vec<Vec<Mark>> = Vec::new();
    for mark in std::iter::once(primary).chain(labels) {
        let same_line = |line: &&mut Vec<Mark>| {
            line[0].location.path == mark.location.path && line[0].location.line == mark.location.line
        };
        match lines.iter_mut().find(same_line) {
            Some(line) => line.push(mark),
            None => lines.push(vec![mark]),
        }
    }
    lines.into_iter().map(|marks| quote(marks, source)).collect()
}

fn quote<'a, 's: 'a>(marks: Vec<Mark<'a>>, source: &dyn Fn(&str) -> Option<&'s str>) -> Element<'a> {
    let location = marks[0].location;
    let index = (location.line as usize).saturating_sub(1);
    let line = source(&location.path)
        .and_then(|text| strip_mark(text).lines().nth(index))
        .filter(|line| line.len() <= LONGEST_QUOTED_LINE_BYTES);
    let Some(line) = line else {
        return Origin::path(&location.path)
            .line(location.line as usize)
            .char_column(location.column as usize)
            .into();
    };
    let snippet = Snippet::source(line).line_start(location.line as usize).path(&location.path);
    snippet
        .annotations(marks.into_iter().map(|mark| {
            let start = byte_of_column(line, mark.location.column);
            let end = byte_of_column(line, mark.location.column.saturating_add(mark.length.max(1)));
            mark.kind.span(start..end).label(mark.label)
        }))
        .into()
}

/// The byte at which a column (from 1, in characters) begins; the line's end for a column behind it.
fn byte_of_column(line: &str, column: u32) -> usize {
    line.char_indices().nth((column as usize).saturating_sub(1)).map_or(line.len(), |(byte, _)| byte)
}
