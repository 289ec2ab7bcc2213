//! Values of parameters. Errors describe a value's shape and what is accepted, never the value.

use std::ops::RangeInclusive;
use std::time::Duration;

/// A whole number in a range.
pub(crate) fn number(value: &str, range: RangeInclusive<u32>) -> Result<u32, String> {
    value.parse().ok().filter(|number| range.contains(number)).ok_or_else(|| {
        let (low, high) = (range.start(), range.end());
        format!("expected a whole number from {low} to {high}, found {}", shape(value))
    })
}

/// A number of things out of some others, or a share of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Share {
    Number(u32),
    Percent(u32),
}

impl Share {
    /// How many of `whole` it is: a percentage is rounded down, but never to nothing.
    pub(crate) fn of(self, whole: u32) -> u32 {
        match self {
            Self::Number(number) => number,
            Self::Percent(percent) => (whole.saturating_mul(percent) / 100).max(1),
        }
    }
}

/// A whole number, or a percentage, each in its range.
pub(crate) fn share(
    value: &str,
    numbers: &RangeInclusive<u32>,
    percents: &RangeInclusive<u32>,
) -> Result<Share, String> {
    let parsed = match value.strip_suffix('%') {
        Some(percent) => number(percent, percents.clone()).map(Share::Percent),
        None => number(value, numbers.clone()).map(Share::Number),
    };
    parsed.map_err(|_| {
        let (low, high) = (numbers.start(), numbers.end());
        let (least, most) = (percents.start(), percents.end());
        format!(
            "expected a whole number from {low} to {high}, or {least}% to {most}%, which is \
             written %25 in a URL, found {}",
            shape(value)
        )
    })
}

/// A duration in a range, or `off`.
pub(crate) fn duration_or_off(
    value: &str,
    range: &RangeInclusive<Duration>,
) -> Result<Option<Duration>, String> {
    match value {
        "off" => Ok(None),
        _ => duration(value, range)
            .map(Some)
            .map_err(|problem| problem.replacen("expected ", "expected off, or ", 1)),
    }
}

/// A duration in a range: a whole number and one of the units `ms`, `s`, `m`, `h`.
pub(crate) fn duration(value: &str, range: &RangeInclusive<Duration>) -> Result<Duration, String> {
    parse_duration(value).filter(|duration| range.contains(duration)).ok_or_else(|| {
        let (low, high) = (print_duration(*range.start()), print_duration(*range.end()));
        format!(
            "expected a duration from {low} to {high}, written like 500ms, 10s, 5m or 1h, found {}",
            shape(value)
        )
    })
}

/// One of a few words.
pub(crate) fn word<T: Copy>(value: &str, words: &[(&str, T)]) -> Result<T, String> {
    words.iter().find(|(word, _)| *word == value).map(|(_, meaning)| *meaning).ok_or_else(|| {
        let accepted: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        format!("expected one of {}, found {}", accepted.join(", "), shape(value))
    })
}

fn parse_duration(value: &str) -> Option<Duration> {
    let digits = value.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = value.split_at_checked(digits)?;
    let number: u64 = number.parse().ok()?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    Some(Duration::from_millis(number.checked_mul(millis)?))
}

/// Writes a duration in its largest whole unit.
pub(crate) fn print_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    let units = [(3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")];
    let whole = units.into_iter().find(|(size, _)| millis >= *size && millis.is_multiple_of(*size));
    whole.map_or_else(|| "0s".to_owned(), |(size, unit)| format!("{}{unit}", millis / size))
}

/// What a value looks like, without saying what it is.
pub(crate) fn shape(value: &str) -> String {
    let length = value.chars().count();
    let plural = if length == 1 { "" } else { "s" };
    if value.is_empty() {
        "nothing".to_owned()
    } else if value.bytes().all(|byte| byte.is_ascii_digit()) {
        format!("a number of {length} digit{plural}")
    } else {
        format!("text of {length} character{plural}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(86_400);

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("500ms", &ALL), Ok(Duration::from_millis(500)));
        assert_eq!(duration("10s", &ALL), Ok(Duration::from_secs(10)));
        assert_eq!(duration("5m", &ALL), Ok(Duration::from_secs(300)));
        assert_eq!(duration("1h", &ALL), Ok(Duration::from_secs(3_600)));
        for bad in ["", "10", "s", "-1s", "1.5s", "1 s", "1d", "99999999999999999999s", "25h"] {
            assert!(duration(bad, &ALL).is_err(), "{bad:?}");
        }
        assert_eq!(
            duration("10", &ALL).unwrap_err(),
            "expected a duration from 0s to 24h, written like 500ms, 10s, 5m or 1h, found a number \
             of 2 digits"
        );
    }

    #[test]
    fn durations_are_written_in_their_largest_unit() {
        for text in ["1ms", "1500ms", "90s", "30m", "24h"] {
            assert_eq!(print_duration(parse_duration(text).unwrap()), text);
        }
    }

    #[test]
    fn a_share_is_rounded_down_but_never_to_nothing() {
        let parse = |value| share(value, &(1..=10), &(1..=100));
        assert_eq!(parse("3").map(|share| share.of(10)), Ok(3));
        assert_eq!(parse("50%").map(|share| share.of(11)), Ok(5));
        assert_eq!(parse("100%").map(|share| share.of(10)), Ok(10));
        assert_eq!(parse("1%").map(|share| share.of(10)), Ok(1));
        for bad in ["", "%", "0", "0%", "11", "101%", "5%%", "half"] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(
            parse("half").unwrap_err(),
            "expected a whole number from 1 to 10, or 1% to 100%, which is written %25 in a URL, \
             found text of 4 characters"
        );
    }

    #[test]
    fn numbers_have_ranges() {
        assert_eq!(number("7", 1..=10), Ok(7));
        for bad in ["0", "11", "", "+", "1e1", "４", "99999999999"] {
            assert!(number(bad, 1..=10).is_err(), "{bad:?}");
        }
    }
}
