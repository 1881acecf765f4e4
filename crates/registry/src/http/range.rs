//! Headers that name a part of a blob.

use std::ops::Range;

/// What a `Range` header asks of a blob (RFC 9110, section 14.2).
#[derive(Debug, PartialEq, Eq)]
pub enum Wanted {
    /// No range, one that is not of bytes, several, or one that is not well formed: all of it.
    All,
    Part(Range<u64>),
    /// A range that begins behind the end: 416.
    Unsatisfiable,
}

/// Reads a `Range` header about a blob of this size.
pub fn wanted(header: Option<&str>, size_bytes: u64) -> Wanted {
    let Some(text) = header.and_then(|text| text.trim().strip_prefix("bytes=")) else { return Wanted::All };
    let Some((first, last)) = text.trim().split_once('-') else { return Wanted::All };
    let range = match (number(first), number(last)) {
        // `-500`: the last 500 bytes.
        (None, Some(suffix)) if first.is_empty() => size_bytes.saturating_sub(suffix)..size_bytes,
        (Some(first), None) if last.is_empty() => first..size_bytes,
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(size_bytes),
        _ => return Wanted::All,
    };
    if range.start >= size_bytes || range.is_empty() { Wanted::Unsatisfiable } else { Wanted::Part(range) }
}

/// The first byte and the number of bytes of a chunk's `Content-Range: <first>-<last>` (OCI distribution-spec 1.1,
/// "Pushing a blob in chunks").
pub fn chunk(text: &str) -> Option<(u64, u64)> {
    let (first, last) = text.split_once('-')?;
    let (first, last) = (number(first)?, number(last)?);
    let count = last.checked_sub(first)?.checked_add(1)?;
    Some((first, count))
}

/// Digits only: no sign and no space, which Rust's own parser would take.
fn number(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_as_the_rfc_says() {
        for (header, expected) in [
            ("bytes=0-0", Wanted::Part(0..1)),
            ("bytes=0-99", Wanted::Part(0..10)),
            ("bytes=3-", Wanted::Part(3..10)),
            ("bytes=-3", Wanted::Part(7..10)),
            ("bytes=-30", Wanted::Part(0..10)),
            ("bytes=9-9", Wanted::Part(9..10)),
            ("bytes=10-", Wanted::Unsatisfiable),
            ("bytes=10-12", Wanted::Unsatisfiable),
            ("bytes=-0", Wanted::Unsatisfiable),
            ("bytes=5-18446744073709551615", Wanted::Part(5..10)),
            ("bytes=5-99999999999999999999", Wanted::All),
            ("bytes=5-3", Wanted::All),
            ("bytes=0-1,3-4", Wanted::All),
            ("bytes=+1-3", Wanted::All),
            ("bytes=-", Wanted::All),
            ("bytes=a-b", Wanted::All),
            ("lines=1-2", Wanted::All),
            ("", Wanted::All),
        ] {
            assert_eq!(wanted(Some(header), 10), expected, "{header}");
        }
        assert_eq!(wanted(Some("bytes=0-0"), 0), Wanted::Unsatisfiable);
        assert_eq!(wanted(None, 10), Wanted::All);
    }

    #[test]
    fn a_chunk_is_two_numbers_in_order() {
        assert_eq!(chunk("0-0"), Some((0, 1)));
        assert_eq!(chunk("5-14"), Some((5, 10)));
        for wrong in
            ["", "-", "1-", "-1", "2-1", "bytes 0-1/2", "0-18446744073709551615", "+0-1", " 0-1", "0-1-2"]
        {
            assert_eq!(chunk(wrong), None, "{wrong}");
        }
    }
}
