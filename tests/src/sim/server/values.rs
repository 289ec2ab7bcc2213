//! Which values a setting can have, and how they are spelled once they are set.

/// What sort of value a setting has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Text,
    Bool,
    Int,
    Milliseconds,
    Encoding,
    DateStyle,
    Zone,
    OneOf(&'static [&'static str]),
    Role,
    User,
    Fixed,
}

/// Time zones that the server knows.
const ZONES: [&str; 4] = ["UTC", "GMT", "Europe/Berlin", "America/New_York"];

/// Units of time, the longest first.
const UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1000), ("ms", 1)];

impl Kind {
    /// The value as it is shown.
    ///
    /// # Errors
    /// The SQLSTATE if it cannot be.
    pub(super) fn check(self, value: &str, user: &str) -> Result<String, &'static str> {
        let wrong = Err("22023");
        match self {
            Self::Text => Ok(value.to_owned()),
            Self::Bool => match value.to_lowercase().as_str() {
                "on" | "true" | "yes" | "1" => Ok("on".to_owned()),
                "off" | "false" | "no" | "0" => Ok("off".to_owned()),
                _ => wrong,
            },
            Self::Int => value.parse::<i32>().map(|n| n.to_string()).or(wrong),
            Self::Milliseconds => milliseconds(value).ok_or("22023"),
            Self::Encoding => match value.to_lowercase().replace('-', "").as_str() {
                "utf8" | "unicode" => Ok("UTF8".to_owned()),
                "latin1" => Ok("LATIN1".to_owned()),
                "sqlascii" | "sql_ascii" => Ok("SQL_ASCII".to_owned()),
                _ => wrong,
            },
            Self::DateStyle => date_style(value).ok_or("22023"),
            Self::Zone => one_of(&ZONES, value).ok_or("22023"),
            Self::OneOf(values) => one_of(values, value).ok_or("22023"),
            Self::Role if value == "none" || value == user => Ok(value.to_owned()),
            Self::User if value == user => Ok(value.to_owned()),
            Self::Role | Self::User => wrong,
            Self::Fixed => Err("55P02"),
        }
    }
}

fn one_of(values: &[&str], value: &str) -> Option<String> {
    let found = values.iter().find(|known| known.eq_ignore_ascii_case(value));
    found.map(|known| (*known).to_owned())
}

fn milliseconds(value: &str) -> Option<String> {
    let digits = value.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = value.get(..digits)?.parse().ok()?;
    let unit = value.get(digits..)?.trim();
    let factor = if unit.is_empty() { Some(1) } else { unit_length(unit) }?;
    let time = number.checked_mul(factor).filter(|time| *time <= i32::MAX as u64)?;
    if time == 0 {
        return Some("0".to_owned());
    }
    let (unit, length) = UNITS.iter().find(|(_, length)| time % length == 0)?;
    Some(format!("{}{unit}", time / length))
}

fn unit_length(unit: &str) -> Option<u64> {
    UNITS.iter().find(|(name, _)| *name == unit).map(|(_, length)| *length)
}

fn date_style(value: &str) -> Option<String> {
    let (mut style, mut order) = ("ISO".to_owned(), "MDY".to_owned());
    for part in value.split(',').map(str::trim) {
        if let Some(found) = one_of(&["ISO", "SQL", "German"], part) {
            style = found;
        } else {
            order = one_of(&["MDY", "DMY", "YMD"], part)?;
        }
    }
    Some(format!("{style}, {order}"))
}
