//! Takes out of a message what may be a secret: of an address everything but its host, and what looks like a path,
//! a query or a key.

/// What stands in the place of what was taken out.
const TAKEN_OUT: &str = "…";

/// Begins of keys that model services give out.
const KEYS: [&str; 3] = ["sk-", "pk-", "xoxb-"];

/// A text by words; whatever stands between quotes or brackets is a word of its own.
pub(super) fn without_secrets(message: &str) -> String {
    let is_between = |c: char| c.is_whitespace() || "'\"`<>()[]{},".contains(c);
    let mut clean = String::with_capacity(message.len());
    let mut is_after_bearer = false;
    for piece in message.split_inclusive(is_between) {
        let word = piece.trim_end_matches(is_between);
        if is_after_bearer && !word.is_empty() {
            clean.push_str(TAKEN_OUT);
        } else {
            put_word(&mut clean, word);
        }
        clean.push_str(&piece[word.len()..]);
        is_after_bearer = word.eq_ignore_ascii_case("bearer") || is_after_bearer && word.is_empty();
    }
    clean
}

fn put_word(clean: &mut String, word: &str) {
    if let Some((scheme, rest)) = word.split_once("://") {
        clean.push_str(scheme);
        clean.push_str("://");
        return clean.push_str(host(rest));
    }
    let is_path = word.starts_with('/') && word.len() > 1;
    let is_key = KEYS.iter().any(|key| word.starts_with(key));
    if is_path || is_key || word.contains('?') && word.contains('=') {
        clean.push_str(TAKEN_OUT);
    } else {
        clean.push_str(word);
    }
}

/// The host and port of what follows an address's scheme.
fn host(rest: &str) -> &str {
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let authority = &rest[..end];
    authority.rsplit('@').next().unwrap_or(authority)
}
