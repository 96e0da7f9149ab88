//! The server's JSON as it came, laid out anew: pretty for one look, one line for many.
//!
//! Keys keep their order and unknown fields stay. Only inside strings are characters that a terminal
//! would act on written as their JSON escapes, which read back as the same characters.

use serde::Serializer;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};

use crate::screen::escape_json;

/// Over many lines, with a newline at the end.
pub(crate) fn pretty(body: &[u8]) -> String {
    laid_out(body, PrettyFormatter::new())
}

/// On one line, with a newline at the end.
pub(crate) fn compact(body: &[u8]) -> String {
    laid_out(body, CompactFormatter)
}

/// `body` was parsed before, so it is JSON. What is nested too deep to be laid out is shown as it came.
fn laid_out(body: &[u8], formatter: impl Formatter) -> String {
    let mut output = Vec::with_capacity(body.len() * 2);
    let mut source = serde_json::Deserializer::from_slice(body);
    let mut sink = serde_json::Serializer::with_formatter(&mut output, formatter);
    if transcode(&mut source, &mut sink).is_err() {
        // Line breaks stand between values only: inside of strings JSON forbids them.
        output = body
            .iter()
            .map(|&b| if b.is_ascii_whitespace() { b' ' } else { b })
            .collect();
    }
    output.push(b'\n');
    escape_json(&String::from_utf8_lossy(&output))
}

fn transcode<'de, S: Serializer>(
    source: &mut serde_json::Deserializer<impl serde_json::de::Read<'de>>,
    sink: S,
) -> Result<S::Ok, S::Error> {
    serde_transcode::transcode(source, sink)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_unknown_fields_are_kept() {
        assert_eq!(
            compact(br#" {"z": 1, "a" : [true, null, 1.5], "new": {}} "#),
            "{\"z\":1,\"a\":[true,null,1.5],\"new\":{}}\n"
        );
    }

    #[test]
    fn what_a_terminal_acts_on_is_escaped_and_reads_back_the_same() {
        let body = "{\"a\":\"\\u001b[2J\u{9b}31m\u{7f}\u{202e}ü\"}";
        let shown = compact(body.as_bytes());
        assert_eq!(shown, "{\"a\":\"\\u001b[2J\\u009b31m\\u007f\\u202eü\"}\n");
        let value = |json: &str| serde_json::from_str::<serde_json::Value>(json).unwrap();
        assert_eq!(value(&shown), value(body));
    }

    #[test]
    fn what_is_nested_too_deep_is_passed_on_as_it_came() {
        let deep = format!("{}\n\t{}", "[".repeat(1_000), "]".repeat(1_000));
        assert_eq!(pretty(deep.as_bytes()), deep.replace("\n\t", "  ") + "\n");
    }

    #[test]
    fn pretty_is_laid_out_over_lines() {
        assert_eq!(pretty(b"{\"a\":[1]}"), "{\n  \"a\": [\n    1\n  ]\n}\n");
    }
}
