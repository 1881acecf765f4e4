use jiff::tz::TimeZone;
use maud::{Markup, html};
use sluice_model::Timestamp;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// `14 min ago` with the exact time in its title. `assets/time.js` counts it on with the same words.
pub(crate) fn when(now: Timestamp, at: Timestamp) -> Markup {
    html! { time datetime=(exact(at, "%Y-%m-%dT%H:%M:%S.%3fZ")) title=(exact(at, "%a %-d %b %Y, %H:%M:%S UTC")) { (ago(now, at)) } }
}

/// How long something took; while it goes on the script counts it on.
pub(crate) fn took(now: Timestamp, from: Timestamp, to: Option<Timestamp>) -> Markup {
    match to {
        Some(to) => html! { span.took { (duration(to.since_ms(from))) } },
        None => html! { span.took data-since=(from.0) { (duration(now.since_ms(from))) } },
    }
}

/// `14 min`: how long something has waited, counted on by the script.
pub(crate) fn so_far(now: Timestamp, since: Timestamp) -> Markup {
    html! { span.took data-since=(since.0) data-coarse title=(exact(since, "since %a %-d %b %Y, %H:%M:%S UTC")) { (coarse(now.since_ms(since))) } }
}

/// `just now`, `40 s ago`, `14 min ago`, `3 h ago`, `2 days ago`, then the date.
pub(crate) fn ago(now: Timestamp, at: Timestamp) -> String {
    let ms = now.since_ms(at);
    match ms {
        i64::MIN..-5_000 => format!("in {}", coarse(ms.saturating_neg())),
        -5_000..5_000 => "just now".to_owned(),
        _ if ms < 7 * DAY => format!("{} ago", coarse(ms)),
        _ if exact(now, "%Y") == exact(at, "%Y") => exact(at, "%-d %b"),
        _ => exact(at, "%-d %b %Y"),
    }
}

/// `40 s`, `14 min`, `3 h`, `2 days`: for what no second matters to. What is negative counts as nothing.
pub(crate) fn coarse(ms: i64) -> String {
    match ms.max(0) {
        ..MINUTE => format!("{} s", ms.max(0) / SECOND),
        MINUTE..HOUR => format!("{} min", ms / MINUTE),
        HOUR..DAY => format!("{} h", ms / HOUR),
        _ if ms < 2 * DAY => "1 day".to_owned(),
        _ => format!("{} days", ms / DAY),
    }
}

/// `0.4 s`, `42 s`, `3 min 05 s`, `1 h 04 min`, `2 d 3 h`. What is negative (clocks differ) counts as nothing.
pub(crate) fn duration(ms: i64) -> String {
    let ms = ms.max(0);
    match ms {
        ..10_000 => format!("{}.{} s", ms / SECOND, ms % SECOND / 100),
        10_000..MINUTE => format!("{} s", ms / SECOND),
        MINUTE..HOUR => format!("{} min {:02} s", ms / MINUTE, ms % MINUTE / SECOND),
        HOUR..DAY => format!("{} h {:02} min", ms / HOUR, ms % HOUR / MINUTE),
        _ => format!("{} d {} h", ms / DAY, ms % DAY / HOUR),
    }
}

/// A time by a strftime format, in UTC; empty for one that no calendar holds.
fn exact(at: Timestamp, format: &str) -> String {
    jiff::Timestamp::from_millisecond(at.0)
        .map(|at| at.to_zoned(TimeZone::UTC).strftime(format).to_string())
        .unwrap_or_default()
}

/// `18.2 MB`, in powers of ten as registries and disks count.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        ..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{}.{} kB", bytes / 1_000, bytes % 1_000 / 100),
        1_000_000..1_000_000_000 => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
        _ => format!("{}.{} GB", bytes / 1_000_000_000, bytes % 1_000_000_000 / 100_000_000),
    }
}

/// `1 job`, `2 jobs`.
pub(crate) fn count(number: u64, one: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        _ => format!("{number} {one}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same table is read by the test of the script, so that a time does not change its words when it is counted on.
    #[test]
    fn the_words_of_a_time() {
        let cases: serde_json::Value =
            serde_json::from_str(include_str!("../assets/tests/times.json")).unwrap();
        for case in cases["durations"].as_array().unwrap() {
            assert_eq!(duration(case[0].as_i64().unwrap()), case[1].as_str().unwrap());
        }
        let now = Timestamp(cases["now"].as_i64().unwrap());
        for case in cases["ago"].as_array().unwrap() {
            let at = now.plus_ms(-case[0].as_i64().unwrap());
            assert_eq!(ago(now, at), case[1].as_str().unwrap(), "{case}");
        }
    }

    #[test]
    fn no_time_panics() {
        for at in [i64::MIN, -1, 0, i64::MAX] {
            for now in [i64::MIN, 0, i64::MAX] {
                when(Timestamp(now), Timestamp(at));
                took(Timestamp(now), Timestamp(at), None);
            }
        }
    }

    #[test]
    fn sizes_are_powers_of_ten() {
        for (bytes, expect) in [(999, "999 B"), (18_240_000, "18.2 MB"), (u64::MAX, "18446744073.7 GB")] {
            assert_eq!(size(bytes), expect);
        }
    }
}
