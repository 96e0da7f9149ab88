//! Figures as people read them. None of these panics on a hostile number.

/// A length of time in at most two units.
pub(crate) fn seconds(seconds: f64) -> String {
    // A report may say anything; a thousand years is as long as any.
    let seconds = if seconds.is_nan() {
        0.0
    } else {
        seconds.clamp(0.0, 3.2e10)
    };
    match seconds {
        s if s < 0.9995 => format!("{:.0} ms", s * 1e3),
        s if s < 9.995 => format!("{s:.2} s"),
        s if s < 60.0 => format!("{s:.1} s"),
        s if s < 3600.0 => two_units(s, (60, "min"), (1, "s")),
        s if s < 86_400.0 => two_units(s, (3600, "h"), (60, "min")),
        s => two_units(s, (86_400, "d"), (3600, "h")),
    }
}

fn two_units(seconds: f64, large: (u64, &str), small: (u64, &str)) -> String {
    let whole = seconds as u64;
    let (many, rest) = (whole / large.0, whole % large.0 / small.0);
    format!("{many} {} {rest} {}", large.1, small.1)
}

/// A ratio between 0 and 1 as a percentage.
pub(crate) fn percent(ratio: f64) -> String {
    let ratio = if ratio.is_nan() {
        0.0
    } else {
        ratio.clamp(0.0, 1.0)
    };
    format!("{:.0} %", ratio * 100.0)
}

/// A count with its noun.
pub(crate) fn count(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(count), if count == 1 { one } else { many })
}

/// A whole number, its thousands set apart: `9,812`.
pub(crate) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_read_well_at_every_scale() {
        for (value, shown) in [
            (0.0, "0 ms"),
            (0.12345, "123 ms"),
            (2.314, "2.31 s"),
            (59.94, "59.9 s"),
            (75.0, "1 min 15 s"),
            (11_520.0, "3 h 12 min"),
            (363_600.0, "4 d 5 h"),
        ] {
            assert_eq!(seconds(value), shown);
        }
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(count(1, "task", "tasks"), "1 task");
        assert_eq!(count(999, "task", "tasks"), "999 tasks");
        assert_eq!(count(9_812, "task", "tasks"), "9,812 tasks");
        assert_eq!(number(1_234_567), "1,234,567");
    }

    #[test]
    fn no_number_is_too_strange() {
        for value in [-1.0, f64::MAX, f64::MIN, f64::NAN, f64::INFINITY] {
            assert!(seconds(value).len() < 20);
            assert!(percent(value).len() < 6);
        }
    }
}
