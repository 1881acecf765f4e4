/// One field of a cron line.
struct Field {
    min: u32,
    max: u32,
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field { min: 0, max: 59, names: &[] },
    Field { min: 0, max: 23, names: &[] },
    Field { min: 1, max: 31, names: &[] },
    Field {
        min: 1,
        max: 12,
        names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    },
    Field { min: 0, max: 6, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] },
];

/// Whether the five fields are ones that GitHub takes.
pub(super) fn is_valid(cron: &str) -> bool {
    let parts: Vec<&str> = cron.split(' ').filter(|part| !part.is_empty()).collect();
    let is_padded = cron.starts_with(' ') || cron.ends_with(' ');
    parts.len() == FIELDS.len()
        && !is_padded
        && parts.iter().zip(&FIELDS).all(|(part, field)| field.takes(part))
}

/// Whether a valid line ever comes true: the 31st of February does not.
pub(super) fn ever_runs(cron: &str) -> bool {
    let parts: Vec<&str> = cron.split(' ').filter(|part| !part.is_empty()).collect();
    let [_, _, day, month, weekday] = parts.as_slice() else { return true };
    // With a weekday, day and weekday are alternatives.
    if *weekday != "*" {
        return true;
    }
    const LONGEST: [u32; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let longest = LONGEST.iter().zip(1..).filter(|(_, number)| FIELDS[3].includes(month, *number));
    let longest = longest.map(|(days, _)| *days).max().unwrap_or(31);
    (1..=longest).any(|number| FIELDS[2].includes(day, number))
}

impl Field {
    fn number(&self, text: &str) -> Option<u32> {
        let name = self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        if let Some(index) = name {
            return Some(self.min + u32::try_from(index).ok()?);
        }
        let number = text.parse().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()))?;
        (self.min..=self.max).contains(&number).then_some(number)
    }

    /// First and last of `*`, `3` or `1-5`.
    fn range(&self, text: &str) -> Option<(u32, u32)> {
        if text == "*" {
            return Some((self.min, self.max));
        }
        match text.split_once('-') {
            None => self.number(text).map(|number| (number, number)),
            Some((first, last)) => {
                let range = (self.number(first)?, self.number(last)?);
                (range.0 <= range.1).then_some(range)
            }
        }
    }

    /// First, last and step of one item of a list.
    fn item(&self, text: &str) -> Option<(u32, u32, u32)> {
        match text.split_once('/') {
            None => self.range(text).map(|(first, last)| (first, last, 1)),
            Some((range, step)) => {
                let (first, last) = self.range(range)?;
                let step = self.number(step).filter(|step| *step > 0)?;
                // `5/15` begins at 5 and goes on to the end.
                let last = if range.contains('-') { last } else { self.max };
                Some((first, last, step))
            }
        }
    }

    fn takes(&self, text: &str) -> bool {
        text.split(',').all(|item| self.item(item).is_some())
    }

    fn includes(&self, text: &str, number: u32) -> bool {
        text.split(',').filter_map(|item| self.item(item)).any(|(first, last, step)| {
            (first..=last).contains(&number) && (number - first).is_multiple_of(step)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_fields_in_their_ranges() {
        for cron in ["* * * * *", "*/5 0-6,20 1 JAN-mar sun", "0 */12 * * *", "5/15 0 * * 6", "0  0 * * *"] {
            assert!(is_valid(cron), "{cron}");
        }
        for cron in [
            "",
            "* * * *",
            "* * * * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * * 13 *",
            "* * * * 7",
            "5-1 * * * *",
            "*/0 * * * *",
            "@daily",
            "1,,2 * * * *",
            "a * * * *",
            "-1 * * * *",
        ] {
            assert!(!is_valid(cron), "{cron}");
        }
    }

    #[test]
    fn some_lines_never_come_true() {
        assert!(!ever_runs("0 0 31 2 *"));
        assert!(!ever_runs("0 0 31 4,6 *"));
        for cron in ["0 0 29 2 *", "0 0 31 2 1", "0 0 31 * *", "0 0 */31 2 *"] {
            assert!(ever_runs(cron), "{cron}");
        }
    }
}
