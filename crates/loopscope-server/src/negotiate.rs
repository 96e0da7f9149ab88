//! Which form of the report a client prefers, by its `Accept` header (RFC 9110, section 12.5.1).
//!
//! It never refuses: a client that accepts neither form still gets Loopscope's own, since a health check
//! with an odd header is better answered than turned away.

use crate::snapshot::Form;

const REPORT: &str = "application/json";
const DRAFT: &str = "application/health+json";

/// The form to serve. `accept` is the header's value, all of its lines joined by commas.
pub(crate) fn preferred(accept: &str) -> Form {
    let draft = Preference::of(accept, DRAFT);
    let report = Preference::of(accept, REPORT);
    if draft.beats(report) {
        Form::Draft
    } else {
        Form::Report
    }
}

/// How much a client wants one media type.
#[derive(Clone, Copy)]
struct Preference {
    /// Thousandths of the quality value.
    quality: u32,
    /// Where the type is named in full; `None` where only a wildcard covers it.
    named_at: Option<usize>,
}

impl Preference {
    /// The most specific range that covers `media_type` decides.
    fn of(accept: &str, media_type: &str) -> Self {
        let mut best = (
            0,
            Self {
                quality: 0,
                named_at: None,
            },
        );
        for (position, (range, quality)) in accept.split(',').map(range_and_quality).enumerate() {
            let specificity = specificity(range, media_type);
            if specificity > best.0 {
                let named_at = (specificity == 3).then_some(position);
                best = (specificity, Self { quality, named_at });
            }
        }
        best.1
    }

    /// At equal quality a named type beats a wildcard, and the first named wins.
    fn beats(self, other: Self) -> bool {
        if self.quality != other.quality {
            return self.quality > other.quality;
        }
        match (self.named_at, other.named_at) {
            (Some(mine), Some(theirs)) => self.quality > 0 && mine < theirs,
            (Some(_), None) => self.quality > 0,
            (None, _) => false,
        }
    }
}

fn range_and_quality(item: &str) -> (&str, u32) {
    let mut parts = item.split(';').map(str::trim);
    let range = parts.next().unwrap_or_default();
    let quality = parts
        .find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")))
        .map_or(1_000, thousandths);
    (range, quality)
}

/// A quality that cannot be read counts as zero.
fn thousandths(quality: &str) -> u32 {
    quality
        .parse::<f32>()
        .map_or(0, |quality| (quality.clamp(0.0, 1.0) * 1_000.0) as u32)
}

/// 3 for the very type, 2 for `application/*`, 1 for `*/*`, 0 for no match.
fn specificity(range: &str, media_type: &str) -> u8 {
    if range.eq_ignore_ascii_case(media_type) {
        3
    } else if range.eq_ignore_ascii_case("application/*") {
        2
    } else {
        u8::from(range == "*/*")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(accept: &str, expected: Form) {
        assert_eq!(preferred(accept), expected, "Accept: {accept}");
    }

    #[test]
    fn the_own_report_is_the_default() {
        check("", Form::Report);
        check("*/*", Form::Report);
        check("application/*", Form::Report);
        check("application/json", Form::Report);
        check("text/html,application/xhtml+xml,*/*;q=0.8", Form::Report);
        check("text/plain", Form::Report);
    }

    #[test]
    fn the_draft_form_is_served_where_it_is_preferred() {
        check("application/health+json", Form::Draft);
        check("Application/Health+JSON; charset=utf-8", Form::Draft);
        check("application/health+json, */*", Form::Draft);
        check(
            "application/health+json, application/json;q=0.9",
            Form::Draft,
        );
        check(
            "application/json;q=0.1, application/health+json;q=0.2",
            Form::Draft,
        );
        check("application/health+json, application/json", Form::Draft);
    }

    #[test]
    fn the_draft_form_is_not_served_where_the_report_is_preferred() {
        check("application/json, application/health+json", Form::Report);
        check(
            "application/json, application/health+json;q=0.9",
            Form::Report,
        );
        check("application/health+json;q=0", Form::Report);
        check(
            "application/health+json;q=0, application/json;q=0",
            Form::Report,
        );
        check("*/*, application/health+json;q=0.5", Form::Report);
    }

    #[test]
    fn nonsense_is_served_the_report() {
        check(";;;,,,q=,;q=x", Form::Report);
        check("application/health+json;q=NaN", Form::Report);
    }
}
