use crate::WeekTime;

/// Milliseconds of `30m`, `10s`, `1h30m`, `2d`, `500ms`; at most a year.
pub(crate) fn duration_ms(text: &str) -> Option<i64> {
    const YEAR_MS: i64 = 365 * 24 * 3_600_000;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: i64 = rest[..digits].parse().ok()?;
        let unit_length = rest[digits..].bytes().take_while(u8::is_ascii_alphabetic).count();
        let factor = match &rest[digits..digits + unit_length] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        total = total.checked_add(number.checked_mul(factor)?)?;
        rest = rest[digits + unit_length..].trim_start();
    }
    (total <= YEAR_MS).then_some(total)
}

/// `Fri 16:00`.
pub(crate) fn week_time(text: &str) -> Option<WeekTime> {
    let (day, time) = text.trim().split_once(' ')?;
    let (hour, minute) = time.trim().split_once(':')?;
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let day = days.iter().position(|known| known.eq_ignore_ascii_case(day))?;
    let number = |digits: &str, limit: u8| -> Option<u8> {
        let is_plain = digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit());
        digits.parse().ok().filter(|value| is_plain && *value < limit)
    };
    Some(WeekTime { day: day as u8, hour: number(hour, 24)?, minute: number(minute, 60)? })
}

/// Of a service, an environment or a target: safe in a host name.
pub(crate) fn is_name(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

pub(crate) fn is_variable(text: &str) -> bool {
    text.len() <= 200
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && text.bytes().next().is_some_and(|first| !first.is_ascii_digit())
}

/// An image's repository without a registry's host, tag or digest (OCI distribution-spec 1.1, "Pulling manifests").
pub(crate) fn is_image(text: &str) -> bool {
    let is_part = |part: &str| {
        let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        !part.is_empty()
            && part.bytes().all(|b| alphanumeric(b) || matches!(b, b'.' | b'_' | b'-'))
            && part.bytes().next().is_some_and(alphanumeric)
            && part.bytes().last().is_some_and(alphanumeric)
    };
    text.len() <= 255 && text.split('/').all(is_part)
}

/// A tag of an image in which `*` stands for any characters.
pub(crate) fn is_tag_pattern(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'*'))
}

/// Images' repositories in which `*` stands for any characters, slashes too.
pub(crate) fn is_image_pattern(text: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    (1..=255).contains(&text.len())
        && text.bytes().all(|b| is_plain(b) || matches!(b, b'.' | b'_' | b'-' | b'/' | b'*'))
}

/// What the release patterns understand: plain characters, `*`, `**`, `?`.
pub(crate) fn is_pattern(text: &str) -> bool {
    (1..=200).contains(&text.len())
        && !text.contains(['[', ']', '+', '!', '\\', ' '])
        && !text.starts_with("refs/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_a_unit() {
        for (text, expected) in [
            ("30m", Some(1_800_000)),
            ("1h30m", Some(5_400_000)),
            ("10s", Some(10_000)),
            ("0s", Some(0)),
            ("500ms", Some(500)),
            ("1d 2h", Some(93_600_000)),
            ("30", None),
            ("m", None),
            ("", None),
            ("-1s", None),
            ("400d", None),
            ("99999999999999999999s", None),
            ("1é", None),
        ] {
            assert_eq!(duration_ms(text), expected, "{text}");
        }
    }

    #[test]
    fn a_week_time_is_a_day_and_a_time() {
        assert_eq!(week_time("Fri 16:00"), Some(WeekTime { day: 4, hour: 16, minute: 0 }));
        for wrong in ["Fri", "Fri 24:00", "Fri 1:00", "Xyz 10:00", "Fri 10:60", "Fri 10:00:00", "Fri +1:00"] {
            assert_eq!(week_time(wrong), None, "{wrong}");
        }
    }
}
