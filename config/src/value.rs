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
    fn numbers_have_ranges() {
        assert_eq!(number("7", 1..=10), Ok(7));
        for bad in ["0", "11", "", "+", "1e1", "４", "99999999999"] {
            assert!(number(bad, 1..=10).is_err(), "{bad:?}");
        }
    }
}
