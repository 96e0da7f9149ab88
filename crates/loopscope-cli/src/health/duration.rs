//! Lengths of time as people write them on a command line: `30`, `30s`, `500ms`, `1m`, `1.5h`.

use std::time::Duration;

const UNITS: [(&str, f64); 4] = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];

/// Long enough for any use, short enough for every clock's arithmetic.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
const SHORTEST: Duration = Duration::from_millis(10);

/// Reads a length of time; a bare number is seconds.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let (number, seconds_per_unit) = UNITS
        .iter()
        .find_map(|(unit, seconds)| text.strip_suffix(unit).map(|number| (number, *seconds)))
        .unwrap_or((text, 1.0));
    let number: f64 = number
        .trim()
        .parse()
        .map_err(|_| "expected a length of time such as 30, 30s, 500ms or 1m".to_owned())?;
    Duration::try_from_secs_f64(number * seconds_per_unit)
        .ok()
        .filter(|duration| (SHORTEST..=LONGEST).contains(duration))
        .ok_or_else(|| "expected between 10ms and 24h".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_ways_to_write_a_length_are_read() {
        for (text, millis) in [
            ("30", 30_000),
            ("30s", 30_000),
            ("500ms", 500),
            ("1m", 60_000),
            ("1.5h", 5_400_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn what_is_no_usable_length_is_refused() {
        for text in [
            "", "s", "ten", "-1", "0", "1ms", "1e300", "inf", "nan", "48h", "5 days",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
