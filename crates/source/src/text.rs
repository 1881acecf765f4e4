use crate::{Diagnostic, Location};

/// A file's bytes as text: UTF-8, with a byte-order mark or without. Anything else is an error at the exact byte's place.
pub fn decode<'a>(path: &str, bytes: &'a [u8]) -> Result<&'a str, Diagnostic> {
    if let Some(encoding) = utf16_mark(bytes) {
        let at = Location { path: path.to_owned(), line: 1, column: 1 };
        return Err(Diagnostic::error(
            "text/not-utf-8",
            at,
            0,
            format!("the file is {encoding}, where UTF-8 is expected"),
        )
        .with_help("save the file as UTF-8"));
    }
    std::str::from_utf8(bytes).map(strip_mark).map_err(|error| {
        let good = &bytes[..error.valid_up_to()];
        let line = good.iter().filter(|&&b| b == b'\n').count() + 1;
        let line_start = good.iter().rposition(|&b| b == b'\n').map_or(0, |newline| newline + 1);
        // The prefix is valid UTF-8 by the error's own word, so characters are the bytes that begin one.
        let column = good[line_start..].iter().filter(|&&b| b & 0xC0 != 0x80).count() + 1;
        let byte = bytes.get(error.valid_up_to()).copied().unwrap_or_default();
        Diagnostic::error(
            "text/not-utf-8",
            Location { path: path.to_owned(), line: clamp(line), column: clamp(column) },
            0,
            format!("the file is not UTF-8: byte 0x{byte:02x} is not part of a character"),
        )
        .with_help("save the file as UTF-8")
    })
}

/// The text without its byte-order mark.
pub(crate) fn strip_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

fn utf16_mark(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xFF, 0xFE, 0, 0, ..] | [0, 0, 0xFE, 0xFF, ..] => Some("UTF-32"),
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => Some("UTF-16"),
        _ => None,
    }
}

/// A count as a line or column: no text that passes the size limit has more.
pub(crate) fn clamp(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
