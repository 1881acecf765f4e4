/// Which part of `length` bytes a `Range` header asks for (RFC 9110, section 14): first byte and how many. None: all, for
/// there is no header, or one that is not understood. An error: there is no such part.
pub fn part(header: Option<&str>, length: u64) -> Result<Option<(u64, u64)>, ()> {
    let Some(range) = header.and_then(|header| header.trim().strip_prefix("bytes=")) else { return Ok(None) };
    let Some((first, last)) = range.split_once('-') else { return Ok(None) };
    let number = |text: &str| text.trim().parse::<u64>().ok().filter(|_| !text.starts_with('+'));
    match (number(first), number(last)) {
        (Some(first), _) if first >= length => Err(()),
        (Some(first), Some(last)) if last >= first => Ok(Some((first, last.min(length - 1) - first + 1))),
        (Some(first), None) if last.trim().is_empty() => Ok(Some((first, length - first))),
        (None, Some(last)) if first.trim().is_empty() => match last.min(length) {
            0 => Err(()),
            count => Ok(Some((length - count, count))),
        },
        _ => Ok(None),
    }
}

/// The first and last byte of `Content-Range: bytes 0-99/*`.
pub fn content_range(header: &str) -> Option<(u64, u64)> {
    let (first, last) = header.trim().strip_prefix("bytes ")?.split_once('/')?.0.split_once('-')?;
    let (first, last) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_cut_to_what_is_there() {
        assert_eq!(part(None, 10), Ok(None));
        assert_eq!(part(Some("bytes=0-3"), 10), Ok(Some((0, 4))));
        assert_eq!(part(Some("bytes=8-99"), 10), Ok(Some((8, 2))));
        assert_eq!(part(Some("bytes=8-"), 10), Ok(Some((8, 2))));
        assert_eq!(part(Some("bytes=-3"), 10), Ok(Some((7, 3))));
        assert_eq!(part(Some("bytes=-30"), 10), Ok(Some((0, 10))));
        for none in ["bytes=10-", "bytes=10-11", "bytes=-0", "bytes=99999999999999999-"] {
            assert_eq!(part(Some(none), 10), Err(()), "{none}");
        }
        for odd in ["lines=0-1", "bytes=3-1", "bytes=a-b", "bytes=0-1,3-4", "bytes=99999999999999999999999-"]
        {
            assert_eq!(part(Some(odd), 10), Ok(None), "{odd}");
        }
        assert_eq!(part(Some("bytes=0-0"), 0), Err(()));
        assert_eq!(content_range("bytes 5-9/*"), Some((5, 9)));
        assert_eq!(content_range("bytes 9-5/*"), None);
        assert_eq!(content_range("5-9"), None);
    }
}
