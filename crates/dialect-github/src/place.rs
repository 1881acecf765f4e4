//! Places inside of a scalar, found in the file's text: a scalar keeps its start only.

use sluice_source::{Position, Span};

/// Where the scalar's expression with this index begins: its `${{`.
pub(crate) fn of_expression(text: &str, span: Span, index: usize) -> Option<Position> {
    let rest = text.get(span.start.byte as usize..)?;
    let (offset, _) = rest.match_indices("${{").nth(index)?;
    Some(advanced(span.start, &rest[..offset]))
}

/// Where the `!!tag` before a scalar begins.
pub(crate) fn of_tag(text: &str, span: Span) -> Position {
    let before = text.get(..span.start.byte as usize).unwrap_or_default();
    let line = before.rsplit('\n').next().unwrap_or_default();
    match line.rfind('!') {
        Some(_) if text.get(span.start.byte as usize..).is_some_and(|rest| rest.starts_with('!')) => {
            span.start
        }
        Some(last) => {
            let first = line[..last].rfind(|c| c != '!').map_or(0, |at| at + 1);
            let column = line[..first].chars().count() + 1;
            Position {
                line: span.start.line,
                column: u32::try_from(column).unwrap_or(u32::MAX),
                ..span.start
            }
        }
        None => span.start,
    }
}

pub(crate) fn advanced(start: Position, passed: &str) -> Position {
    let count = |text: &str| u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
    let lines = passed.matches('\n').count();
    let byte = start.byte.saturating_add(u32::try_from(passed.len()).unwrap_or(u32::MAX));
    match passed.rfind('\n') {
        None => Position { line: start.line, column: start.column + count(passed), byte },
        Some(at) => Position {
            line: start.line + u32::try_from(lines).unwrap_or(u32::MAX),
            column: count(&passed[at + 1..]) + 1,
            byte,
        },
    }
}
