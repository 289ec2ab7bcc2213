//! How a bound is written down: once, as a constant with its reason, from which
//! `docs/limits.md` is made.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::time::Millis;

/// One bound, as the page shows it.
pub struct Limit {
    /// What it is about, in a word or two: the heading it stands under.
    pub topic: &'static str,
    /// The constant's name.
    pub name: &'static str,
    /// Its value.
    pub value: &'static (dyn Measured + Sync),
    /// What it counts; empty where the value says so itself.
    pub unit: &'static str,
    /// What it bounds, and why it is what it is: the constant's own words.
    pub text: &'static str,
    /// What is seen when it is reached; empty where only logs tell.
    pub hit: &'static str,
}

impl Limit {
    /// Its value with its unit, for a person.
    #[must_use]
    pub fn measure(&self) -> String {
        self.value.print(self.unit)
    }
}

/// Defines constants as they are written, and `ALL`, which lists them. Above each are its words, then
/// `#[unit = "…"]` unless it is a time, and `#[hit = "…"]` if more than a log line tells of it.
///
/// ```
/// pierhead_wire::limits! {
///     "Queues":
///
///     /// Things that wait. Ten are as many as anybody has seen.
///     #[unit = "things"]
///     #[hit = "`53300`"]
///     pub const THINGS_MAX: usize = 10;
/// }
/// assert_eq!(ALL[0].measure(), "10 things");
/// ```
#[macro_export]
macro_rules! limits {
    ($($topic:literal: $(
        $(#[doc = $text:literal])+
        $(#[unit = $unit:literal])?
        $(#[hit = $hit:literal])?
        pub const $name:ident: $type:ty = $value:expr;
    )+)+) => {
        $($(
            $(#[doc = $text])+
            pub const $name: $type = $value;
        )+)+

        /// The constants of this file, in its order.
        pub const ALL: &[$crate::limit::Limit] = &[$($($crate::limit::Limit {
            topic: $topic,
            name: stringify!($name),
            value: &$name,
            unit: concat!($($unit)?),
            text: concat!($($text),+),
            hit: concat!($($hit)?),
        }),+),+];
    };
}

/// A value that a person can read.
pub trait Measured {
    /// The value, with this unit if it has none of its own.
    fn print(&self, unit: &str) -> String;
}

macro_rules! measured_numbers {
    ($($type:ty)+) => {
        $(impl Measured for $type {
            fn print(&self, unit: &str) -> String {
                number(u64::try_from(*self).unwrap_or(u64::MAX), unit)
            }
        })+
    };
}
measured_numbers!(u16 u32 u64 usize);

impl Measured for Millis {
    fn print(&self, _unit: &str) -> String {
        span(self.0)
    }
}

impl Measured for Duration {
    fn print(&self, _unit: &str) -> String {
        span(u64::try_from(self.as_millis()).unwrap_or(u64::MAX))
    }
}

/// The first of several, and the last.
impl<T: Measured> Measured for (T, T) {
    fn print(&self, unit: &str) -> String {
        format!("{}, growing to {}", self.0.print(unit), self.1.print(unit))
    }
}

impl<T: Measured> Measured for RangeInclusive<T> {
    fn print(&self, unit: &str) -> String {
        format!("{} to {}", self.start().print(""), self.end().print(unit))
    }
}

fn number(number: u64, unit: &str) -> String {
    match unit {
        "bytes" if number > 0 && number.is_multiple_of(1 << 30) => format!("{} GiB", number >> 30),
        "bytes" if number > 0 && number.is_multiple_of(1 << 20) => format!("{} MiB", number >> 20),
        "bytes" if number > 0 && number.is_multiple_of(1 << 10) => format!("{} KiB", number >> 10),
        "%" => format!("{number} %"),
        plural if number == 1 => {
            format!("1 {}", plural.trim_end_matches('s')).trim_end().to_owned()
        }
        _ => format!("{} {unit}", grouped(number)).trim_end().to_owned(),
    }
}

/// `16,384`
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

fn span(millis: u64) -> String {
    let units = [(3_600_000, "h"), (60_000, "min"), (1_000, "s")];
    let whole = units.into_iter().find(|(size, _)| millis > 0 && millis.is_multiple_of(*size));
    whole.map_or_else(|| format!("{millis} ms"), |(size, unit)| format!("{} {unit}", millis / size))
}

/// What is wrong with a file of limits, given its source: a constant that `ALL` does not list, a
/// number without a unit, words without a reason. Empty if nothing is.
#[must_use]
pub fn faults(source: &str, all: &[Limit]) -> Vec<String> {
    let names = source.lines().filter_map(|line| {
        let (_, rest) = line.trim_start().split_once("const ")?;
        let (name, _) = rest.split_once(':')?;
        (line.trim_start().starts_with("pub") && name != "_").then_some(name)
    });
    let unlisted = names
        .filter(|name| all.iter().all(|limit| limit.name != *name))
        .map(|name| format!("{name} stands outside of limits! {{ … }}"));
    let bare = all.iter().filter_map(|limit| {
        let measure = limit.measure();
        if measure.bytes().all(|b| b.is_ascii_digit() || b == b',') {
            Some(format!("{} has no #[unit = \"…\"]", limit.name))
        } else if !limit.text.contains([':', ',', ';']) && !limit.text.contains(". ") {
            Some(format!("{} gives no reason", limit.name))
        } else {
            None
        }
    });
    unlisted.chain(bare).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(unreachable_pub, reason = "the macro's constants are")]
    mod sample {
        use super::*;

        crate::limits! {
            "Queues":

            /// Things that wait. As many
            /// as fit.
            #[unit = "things"]
            #[hit = "`53300`"]
            pub const THINGS_MAX: usize = 65_536;

            /// Things that run: one.
            #[unit = "things"]
            pub const ONE: u32 = 1;

            /// Bytes of all of them: what is left.
            #[unit = "bytes"]
            pub const THINGS_BYTES: u64 = 32 << 20;

            "Time":

            /// First and last pause: a moment, then a while.
            pub const PAUSES: (Millis, Millis) = (Millis(100), Millis::secs(2));

            /// Lanes: one is enough.
            #[unit = "lanes"]
            pub const LANES: RangeInclusive<u16> = 1..=8;

            /// How long, from never to an hour.
            pub const LASTS: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(3_600);
        }
    }

    #[test]
    fn a_limit_is_a_constant_and_a_line_of_the_page() {
        let lines: Vec<_> = sample::ALL.iter().map(|l| (l.topic, l.name, l.measure())).collect();
        let measure = |text: &str| text.to_owned();
        assert_eq!(
            lines,
            [
                ("Queues", "THINGS_MAX", measure("65,536 things")),
                ("Queues", "ONE", measure("1 thing")),
                ("Queues", "THINGS_BYTES", measure("32 MiB")),
                ("Time", "PAUSES", measure("100 ms, growing to 2 s")),
                ("Time", "LANES", measure("1 to 8 lanes")),
                ("Time", "LASTS", measure("0 ms to 1 h")),
            ]
        );
        let [first, _, bytes, ..] = sample::ALL else { panic!("{}", sample::ALL.len()) };
        assert_eq!(
            (first.text.trim(), first.hit),
            ("Things that wait. As many as fit.", "`53300`")
        );
        assert_eq!((bytes.hit, sample::THINGS_BYTES), ("", 33_554_432));
    }

    #[test]
    fn a_constant_outside_the_list_is_named() {
        let source = "limits! {\n    pub const THINGS_MAX: usize = 65_536;\n}\n\
                      pub const FORGOTTEN: usize = 1;\nconst _: () = assert!(true);";
        assert_eq!(faults(source, sample::ALL), ["FORGOTTEN stands outside of limits! { … }"]);
    }

    #[test]
    fn a_number_needs_a_unit_and_a_limit_a_reason() {
        let limit = |unit, text| Limit { topic: "", name: "A", value: &1_u16, unit, text, hit: "" };
        assert_eq!(faults("", &[limit("", "One, because")]), ["A has no #[unit = \"…\"]"]);
        assert_eq!(faults("", &[limit("things", "Some things.")]), ["A gives no reason"]);
        assert!(faults("", &[limit("things", "Some things. They fit.")]).is_empty());
    }
}
