use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{ToSpan, Zoned};
use sluice_model::Timestamp;

use crate::{Freeze, WeekTime};

const MINUTES_PER_WEEK: i64 = 7 * 24 * 60;

/// When the freeze that holds at `now` is over; none where none holds. Windows that follow each other count as one.
pub(crate) fn frozen_until(freezes: &[Freeze], now: Timestamp) -> Option<Timestamp> {
    let mut until = None;
    // Windows that join up to the whole week would never end; after a round through all of them it is said so.
    for _ in 0..=freezes.len() {
        let at = until.unwrap_or(now);
        match freezes.iter().filter_map(|freeze| end_of(freeze, at)).max() {
            Some(end) if end > at => until = Some(end),
            _ => break,
        }
    }
    until
}

/// The time zone by its IANA name, out of the database that is built in.
pub(crate) fn zone(name: &str) -> Option<TimeZone> {
    TimeZoneDatabase::bundled().get(name).ok()
}

impl WeekTime {
    /// Minutes since Monday 00:00.
    pub(crate) fn minute_of_week(self) -> i64 {
        (i64::from(self.day) * 24 + i64::from(self.hour)) * 60 + i64::from(self.minute)
    }
}

/// The end of the window, if `now` is in it.
fn end_of(freeze: &Freeze, now: Timestamp) -> Option<Timestamp> {
    let zone = zone(&freeze.zone).unwrap_or(TimeZone::UTC);
    let local = jiff::Timestamp::from_millisecond(now.0).ok()?.to_zoned(zone);
    let weekday = i64::from(local.weekday().to_monday_zero_offset());
    let minute = (weekday * 24 + i64::from(local.hour())) * 60 + i64::from(local.minute());
    let (from, to) = (freeze.from.minute_of_week(), freeze.to.minute_of_week());
    let length = (to - from).rem_euclid(MINUTES_PER_WEEK);
    if (minute - from).rem_euclid(MINUTES_PER_WEEK) >= length {
        return None;
    }
    let days = (i64::from(freeze.to.day) - weekday).rem_euclid(7);
    let days = if days == 0 && to <= minute { 7 } else { days };
    end_on(&local, days, freeze.to)
}

/// The window's last moment by the wall clock there: a change to or from summer time within it moves the moment.
fn end_on(local: &Zoned, days: i64, to: WeekTime) -> Option<Timestamp> {
    let date = local.date().checked_add(days.days()).ok()?;
    let end = date.at(to.hour as i8, to.minute as i8, 0, 0).to_zoned(local.time_zone().clone()).ok()?;
    Some(Timestamp(end.timestamp().as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
    }

    fn week_time(day: u8, hour: u8, minute: u8) -> WeekTime {
        WeekTime { day, hour, minute }
    }

    #[test]
    fn a_window_holds_by_the_wall_clock_of_its_zone() {
        let weekend =
            Freeze { from: week_time(4, 16, 0), to: week_time(0, 8, 0), zone: "Europe/London".into() };
        for (now, expected) in [
            ("2026-11-20T15:59:59Z", None),
            ("2026-11-20T16:00:00Z", Some("2026-11-23T08:00:00Z")),
            ("2026-11-23T07:59:59Z", Some("2026-11-23T08:00:00Z")),
            ("2026-11-23T08:00:00Z", None),
            // Summer time: 16:00 in London is 15:00 UTC.
            ("2026-07-03T15:00:00Z", Some("2026-07-06T07:00:00Z")),
            // The clocks go back within this weekend.
            ("2026-10-24T12:00:00Z", Some("2026-10-26T08:00:00Z")),
            ("2026-11-18T12:00:00Z", None),
        ] {
            assert_eq!(frozen_until(std::slice::from_ref(&weekend), at(now)), expected.map(at), "{now}");
        }
    }

    #[test]
    fn windows_that_follow_each_other_are_one() {
        let utc = || "UTC".to_owned();
        let first = Freeze { from: week_time(0, 0, 0), to: week_time(2, 0, 0), zone: utc() };
        let second = Freeze { from: week_time(2, 0, 0), to: week_time(3, 12, 30), zone: utc() };
        // 2026-11-16 is a Monday.
        assert_eq!(
            frozen_until(&[second, first], at("2026-11-16T05:00:00Z")),
            Some(at("2026-11-19T12:30:00Z"))
        );
    }
}
