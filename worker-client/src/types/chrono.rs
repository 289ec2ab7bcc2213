//! Dates and times. PostgreSQL keeps microseconds: finer parts of a parameter are cut off.

use bytes::BytesMut;
use chrono::{
    DateTime, Datelike, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeZone,
    Timelike, Utc,
};

use super::column::{DecodeError, FromColumn};
use super::oid;
use super::param::{IsNull, ParamError, ToParam, write};

const NANOS_PER_MICRO: u32 = 1_000;
const NANOS_PER_SECOND: u32 = 1_000_000_000;

impl ToParam for NaiveDate {
    fn to_text(&self, out: &mut BytesMut) -> Result<IsNull, ParamError> {
        put_date(out, *self)?;
        put_era(out, *self)
    }
}

impl ToParam for NaiveTime {
    fn to_text(&self, out: &mut BytesMut) -> Result<IsNull, ParamError> {
        put_time(out, *self)
    }
}

impl ToParam for NaiveDateTime {
    fn to_text(&self, out: &mut BytesMut) -> Result<IsNull, ParamError> {
        put_date(out, self.date())?;
        write(out, format_args!(" "))?;
        put_time(out, self.time())?;
        put_era(out, self.date())
    }
}

impl<Zone: TimeZone> ToParam for DateTime<Zone> {
    fn to_text(&self, out: &mut BytesMut) -> Result<IsNull, ParamError> {
        let local = self.naive_local();
        let offset = self.offset().fix().local_minus_utc();
        put_date(out, local.date())?;
        write(out, format_args!(" "))?;
        put_time(out, local.time())?;
        let (sign, size) = (if offset < 0 { '-' } else { '+' }, offset.unsigned_abs());
        let (hours, minutes, seconds) = (size / 3600, size / 60 % 60, size % 60);
        write(out, format_args!("{sign}{hours:02}:{minutes:02}:{seconds:02}"))?;
        put_era(out, local.date())
    }
}

fn put_date(out: &mut BytesMut, date: NaiveDate) -> Result<IsNull, ParamError> {
    let year = if date.year() > 0 { date.year() } else { 1 - date.year() };
    write(out, format_args!("{year:04}-{:02}-{:02}", date.month(), date.day()))
}

fn put_era(out: &mut BytesMut, date: NaiveDate) -> Result<IsNull, ParamError> {
    write(out, format_args!("{}", if date.year() > 0 { "" } else { " BC" }))
}

fn put_time(out: &mut BytesMut, time: NaiveTime) -> Result<IsNull, ParamError> {
    // chrono writes a leap second as second 59 with more than a second of nanoseconds.
    let second = time.second() + time.nanosecond() / NANOS_PER_SECOND;
    let micros = time.nanosecond() % NANOS_PER_SECOND / NANOS_PER_MICRO;
    write(out, format_args!("{:02}:{:02}:{second:02}.{micros:06}", time.hour(), time.minute()))
}

impl FromColumn for NaiveDate {
    fn from_text(type_oid: u32, text: &str) -> Result<Self, DecodeError> {
        if type_oid != oid::DATE {
            return Err(DecodeError::type_mismatch(type_oid, "NaiveDate", "date"));
        }
        read(type_oid, text, date)
    }
}

impl FromColumn for NaiveTime {
    fn from_text(type_oid: u32, text: &str) -> Result<Self, DecodeError> {
        if type_oid != oid::TIME {
            return Err(DecodeError::type_mismatch(type_oid, "NaiveTime", "time"));
        }
        if text.starts_with("24:") {
            return Err(DecodeError::new("the time is 24:00:00, which chrono does not have"));
        }
        time(text).ok_or_else(|| DecodeError::malformed(type_oid))
    }
}

impl FromColumn for NaiveDateTime {
    fn from_text(type_oid: u32, text: &str) -> Result<Self, DecodeError> {
        if type_oid != oid::TIMESTAMP {
            return Err(DecodeError::type_mismatch(type_oid, "NaiveDateTime", "timestamp"));
        }
        read(type_oid, text, |text, era| {
            let (day, clock) = text.split_once(' ')?;
            Some(date(day, era)?.and_time(time(clock)?))
        })
    }
}

impl FromColumn for DateTime<FixedOffset> {
    fn from_text(type_oid: u32, text: &str) -> Result<Self, DecodeError> {
        if type_oid != oid::TIMESTAMPTZ {
            let fits = "timestamp with time zone";
            return Err(DecodeError::type_mismatch(type_oid, "DateTime", fits));
        }
        read(type_oid, text, |text, era| {
            let (day, clock) = text.split_once(' ')?;
            let (clock, zone) = clock.split_at_checked(clock.find(['+', '-'])?)?;
            let local = date(day, era)?.and_time(time(clock)?);
            offset(zone)?.from_local_datetime(&local).single()
        })
    }
}

impl FromColumn for DateTime<Utc> {
    fn from_text(type_oid: u32, text: &str) -> Result<Self, DecodeError> {
        DateTime::<FixedOffset>::from_text(type_oid, text).map(|time| time.to_utc())
    }
}

#[derive(Clone, Copy)]
enum Era {
    Common,
    Before,
}

/// Reads what has a date: the words that are no date are told apart from malformed text.
fn read<T>(
    type_oid: u32,
    text: &str,
    parse: impl FnOnce(&str, Era) -> Option<T>,
) -> Result<T, DecodeError> {
    if matches!(text, "infinity" | "-infinity") {
        return Err(DecodeError::new(format!(
            "the value is {text}, which chrono does not have; read a String"
        )));
    }
    let (text, era) = match text.strip_suffix(" BC") {
        Some(text) => (text, Era::Before),
        None => (text, Era::Common),
    };
    parse(text, era).ok_or_else(|| {
        DecodeError::new(format!(
            "the text is no ISO value of a column that is {}, or outside chrono's range; DateStyle \
             must be ISO",
            oid::name(type_oid)
        ))
    })
}

fn date(text: &str, era: Era) -> Option<NaiveDate> {
    let mut parts = text.split('-');
    let year: i32 = parts.next()?.parse().ok()?;
    let (month, day) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    if parts.next().is_some() {
        return None;
    }
    let year = match era {
        Era::Common => year,
        Era::Before => 1 - year,
    };
    NaiveDate::from_ymd_opt(year, month, day)
}

fn time(text: &str) -> Option<NaiveTime> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let mut parts = whole.split(':');
    let (hour, minute) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let second = parts.next()?.parse().ok()?;
    if parts.next().is_some() || fraction.len() > 6 {
        return None;
    }
    let micros: u32 = format!("{fraction:0<6}").parse().ok()?;
    NaiveTime::from_hms_micro_opt(hour, minute, second, micros)
}

/// `+01`, `-05:30` or `+00:19:32`.
fn offset(text: &str) -> Option<FixedOffset> {
    let (sign, size) = text.split_at_checked(1)?;
    let mut seconds: i32 = 0;
    for (part, scale) in size.split(':').zip([3600, 60, 1]) {
        let part: u16 = part.parse().ok()?;
        seconds += i32::from(part).checked_mul(scale)?;
    }
    FixedOffset::east_opt(if sign == "-" { -seconds } else { seconds })
}

#[cfg(test)]
mod tests {
    use super::super::param::text;
    use super::*;

    fn day(year: i32, month: u32, day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(year, month, day).unwrap()
    }

    fn micro(hour: u32, minute: u32, second: u32, micros: u32) -> NaiveTime {
        NaiveTime::from_hms_micro_opt(hour, minute, second, micros).unwrap()
    }

    #[test]
    fn parameters() {
        assert_eq!(text(&day(2026, 11, 1)).unwrap(), "2026-11-01");
        assert_eq!(text(&day(12026, 1, 1)).unwrap(), "12026-01-01");
        assert_eq!(text(&day(0, 1, 1)).unwrap(), "0001-01-01 BC");
        assert_eq!(text(&day(-43, 3, 15)).unwrap(), "0044-03-15 BC");
        assert_eq!(text(&micro(1, 2, 3, 4)).unwrap(), "01:02:03.000004");
        let leap = NaiveTime::from_hms_nano_opt(23, 59, 59, 1_500_000_000).unwrap();
        assert_eq!(text(&leap).unwrap(), "23:59:60.500000");
        let local = day(2026, 11, 1).and_time(micro(1, 2, 3, 0));
        assert_eq!(text(&local).unwrap(), "2026-11-01 01:02:03.000000");
        assert_eq!(text(&local.and_utc()).unwrap(), "2026-11-01 01:02:03.000000+00:00:00");
        let zone = FixedOffset::west_opt(5 * 3600 + 1800).unwrap();
        let zoned = zone.from_local_datetime(&local).unwrap();
        assert_eq!(text(&zoned).unwrap(), "2026-11-01 01:02:03.000000-05:30:00");
        let before = day(0, 2, 29).and_time(NaiveTime::MIN).and_utc();
        assert_eq!(text(&before).unwrap(), "0001-02-29 00:00:00.000000+00:00:00 BC");
    }

    #[test]
    fn results() {
        assert_eq!(NaiveDate::from_text(oid::DATE, "2026-11-01"), Ok(day(2026, 11, 1)));
        assert_eq!(NaiveDate::from_text(oid::DATE, "12026-11-01"), Ok(day(12026, 11, 1)));
        assert_eq!(NaiveDate::from_text(oid::DATE, "0044-03-15 BC"), Ok(day(-43, 3, 15)));
        assert_eq!(NaiveTime::from_text(oid::TIME, "01:02:03.5"), Ok(micro(1, 2, 3, 500_000)));
        let local = day(2026, 11, 1).and_time(micro(1, 2, 3, 123_456));
        let read = NaiveDateTime::from_text(oid::TIMESTAMP, "2026-11-01 01:02:03.123456");
        assert_eq!(read, Ok(local));
        let utc = |text| DateTime::<Utc>::from_text(oid::TIMESTAMPTZ, text).unwrap();
        assert_eq!(utc("2026-11-01 01:02:03.123456+00"), local.and_utc());
        assert_eq!(utc("2026-11-01 06:32:03.123456+05:30"), local.and_utc());
        assert_eq!(utc("2026-10-31 20:02:03.123456-05"), local.and_utc());
        assert_eq!(utc("2026-11-01 01:21:35.123456+00:19:32"), local.and_utc());
    }

    #[test]
    fn what_chrono_does_not_have_says_so() {
        let error = NaiveDate::from_text(oid::DATE, "infinity").unwrap_err().to_string();
        assert!(error.contains("infinity, which chrono does not have"), "{error}");
        assert!(DateTime::<Utc>::from_text(oid::TIMESTAMPTZ, "-infinity").is_err());
        assert!(NaiveTime::from_text(oid::TIME, "24:00:00").is_err());
        assert!(NaiveDateTime::from_text(oid::TIMESTAMP, "294276-12-31 23:59:59").is_err());
        let error = NaiveDate::from_text(oid::DATE, "01.11.2026").unwrap_err().to_string();
        assert!(error.contains("DateStyle"), "{error}");
        for bad in ["", " ", "2026-11-01", "2026-11-01 1", "2026-11-01 01:02:03", "a b+c"] {
            assert!(DateTime::<Utc>::from_text(oid::TIMESTAMPTZ, bad).is_err(), "{bad}");
        }
        assert!(NaiveDate::from_text(oid::TIMESTAMP, "2026-11-01 00:00:00").is_err());
    }
}
