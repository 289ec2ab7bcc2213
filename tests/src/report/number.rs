//! Numbers as people read them, and the ticks of axes.

/// Three digits that matter; whole numbers from a hundred on, with commas between thousands.
pub(super) fn short(value: f64) -> String {
    let size = value.abs();
    if size < 1e-12 {
        return "0".into();
    }
    if (value - value.round()).abs() < 1e-9 || size >= 99.95 {
        return whole(value);
    }
    let decimals = if size >= 9.995 { 1 } else { 2 };
    if size >= 0.095 {
        return format!("{value:.decimals$}");
    }
    // Two digits behind the zeros.
    let zeros = (-size.log10()).ceil() as usize;
    let text = format!("{value:.precision$}", precision = zeros + 1);
    text.trim_end_matches('0').to_owned()
}

/// A quotient: two decimals, or fewer where they say nothing.
pub(super) fn ratio(value: f64) -> String {
    if value < 9.995 { format!("{value:.2}") } else { short(value) }
}

fn whole(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value <= -0.5 { format!("-{text}") } else { text }
}

/// From 0 to at least `largest`, in five to ten steps of 1, 2 or 5 times a power of ten.
pub(super) fn linear_ticks(largest: f64) -> Vec<f64> {
    let largest = if largest > 0.0 { largest } else { 1.0 };
    let power = 10f64.powf((largest / 5.0).log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|factor| factor * power);
    let step = step.take_while(|step| largest / step >= 4.0).last().unwrap_or(power);
    let count = (largest / step - 1e-9).ceil() as usize;
    (0..=count).map(|index| index as f64 * step).collect()
}

/// Powers of ten around all that is shown; with 2 and 5 times each where these are few.
pub(super) fn log_ticks(smallest: f64, largest: f64) -> Vec<f64> {
    let from = (smallest.log10() + 1e-9).floor() as i32;
    let to = ((largest.log10() - 1e-9).ceil() as i32).max(from + 1);
    let factors: &[f64] = if to - from <= 3 { &[1.0, 2.0, 5.0] } else { &[1.0] };
    let powers = (from..to).map(|exponent| 10f64.powi(exponent));
    let all = powers.flat_map(|power| factors.iter().map(move |factor| factor * power));
    let mut ticks: Vec<f64> = all.chain([10f64.powi(to)]).collect();
    // What lies outside says nothing, but for one tick on either side.
    while ticks.get(1).is_some_and(|second| *second <= smallest) {
        ticks.remove(0);
    }
    while ticks.len() > 2 && ticks[ticks.len() - 2] >= largest {
        ticks.pop();
    }
    ticks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_that_matter() {
        let shown = [0.0, 0.000_123_4, 0.051, 0.5, 1.234, 9.999, 12.345, 99.96, 1_234.6, -7.0];
        let shown: Vec<String> = shown.into_iter().map(short).collect();
        let expected =
            ["0", "0.00012", "0.051", "0.50", "1.23", "10.0", "12.3", "100", "1,235", "-7"];
        assert_eq!(shown, expected);
        assert_eq!(short(12_345_678.0), "12,345,678");
        assert_eq!((ratio(1.0), ratio(12.345)), ("1.00".into(), "12.3".into()));
    }

    #[test]
    fn ticks_hold_what_is_shown() {
        assert_eq!(linear_ticks(9.3), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        assert_eq!(linear_ticks(0.0).len(), 6);
        for largest in [0.07, 1.0, 49.0, 50.0, 51.0, 12_345.0] {
            let ticks = linear_ticks(largest);
            assert!(ticks.last().unwrap() >= &(largest * 0.999), "{largest}: {ticks:?}");
            assert!((5..=12).contains(&ticks.len()), "{largest}: {ticks:?}");
        }
        assert_eq!(log_ticks(1.5, 40.0), [1.0, 2.0, 5.0, 10.0, 20.0, 50.0]);
        assert_eq!(log_ticks(1.0, 10_000.0), [1.0, 10.0, 100.0, 1_000.0, 10_000.0]);
        assert_eq!(log_ticks(3.0, 3.0), [2.0, 5.0]);
    }
}
