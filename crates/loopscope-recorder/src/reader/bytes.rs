//! Words and texts out of bytes that may be anything.

pub(super) fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(*bytes.get(offset..)?.first_chunk()?))
}

pub(super) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(offset..)?.first_chunk()?))
}

/// A text of at most so many bytes: up to the first zero.
pub(super) fn text_at(bytes: &[u8], offset: usize, length: usize) -> Option<String> {
    let text = bytes.get(offset..offset + length)?;
    let end = text.iter().position(|byte| *byte == 0).unwrap_or(length);
    Some(shown(&text[..end]))
}

/// A text as it may be shown. Whatever is no UTF-8 is replaced, and so are control characters: these texts
/// end up on the terminal of a person who may be root. Breaks of lines become blanks.
pub(super) fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    if !text.contains(char::is_control) {
        return text.into_owned();
    }
    let one_line = text.replace(['\n', '\r', '\t'], " ");
    one_line.replace(char::is_control, "\u{fffd}")
}
