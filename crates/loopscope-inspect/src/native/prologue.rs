//! How far a frame with a frame pointer reaches, by the first instructions of its function.
//!
//! Such a function saves its caller's frame pointer, points its own there, saves other registers and makes room. Where
//! the stack ended when it called another one, the saved pair of frame pointer and return address is that far up.

use super::words::words;

/// What is read of a function: its first instructions and no more.
const WORDS: usize = 5;

const PAGE: u32 = 4096;

/// The bytes between where a function's stack ends at its calls and the saved frame pointer; `None` where it does not
/// begin as functions with a frame pointer do, or moves the end of the stack by something that it computes.
pub(super) fn room(pid: u32, function: u64) -> Option<u64> {
    let words: [u64; WORDS] = words(pid, function)?;
    let bytes = words.map(u64::to_le_bytes);
    made(bytes.as_flattened())
}

fn made(code: &[u8]) -> Option<u64> {
    const BRANCH_TARGET: &[u8] = &[0xf3, 0x0f, 0x1e, 0xfa];
    const PUSH_FRAME: &[u8] = &[0x55];
    /// `mov %rsp,%rbp`, in both of its encodings.
    const SET_FRAME: [&[u8]; 2] = [&[0x48, 0x89, 0xe5], &[0x48, 0x8b, 0xec]];
    let code = code.strip_prefix(BRANCH_TARGET).unwrap_or(code);
    let code = code.strip_prefix(PUSH_FRAME)?;
    let mut code = SET_FRAME.iter().find_map(|set| code.strip_prefix(*set))?;
    let mut pushed = 0;
    loop {
        code = match code {
            // push of one of the first eight registers, and of one of the others
            [0x50..=0x57, rest @ ..] | [0x41, 0x50..=0x57, rest @ ..] => rest,
            _ => break,
        };
        pushed += 8;
    }
    match code {
        // sub $room,%rsp
        [0x48, 0x83, 0xec, room @ 0..=0x7f, ..] => Some(pushed + u64::from(*room)),
        [0x48, 0x81, 0xec, one, two, three, four, ..] => {
            let room = u32::from_le_bytes([*one, *two, *three, *four]);
            // More is made page by page, so that none is passed over.
            (room < PAGE).then(|| pushed + u64::from(room))
        }
        // and $-32,%rsp: as far as it has to be; lea -room(%rsp),%r11: the beginning of a loop over pages
        [0x48, 0x83, 0xe4, ..] | [0x4c, 0x8d, 0x9c, 0x24, ..] | [] => None,
        _ => Some(pushed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGIN: [u8; 4] = [0x55, 0x48, 0x89, 0xe5];

    fn of(rest: &[u8]) -> Option<u64> {
        made(&[&BEGIN, rest, &[0x90; 8]].concat())
    }

    #[test]
    fn registers_that_are_saved_and_room_that_is_made_are_added_up() {
        assert_eq!(of(&[]), Some(0));
        // push %rbx; push %rax
        assert_eq!(of(&[0x53, 0x50]), Some(16));
        // push %r15; push %rbx; sub $0x18,%rsp
        assert_eq!(of(&[0x41, 0x57, 0x53, 0x48, 0x83, 0xec, 0x18]), Some(40));
        // sub $0x200,%rsp
        assert_eq!(of(&[0x48, 0x81, 0xec, 0, 2, 0, 0]), Some(0x200));
        let marked = [&[0xf3, 0x0f, 0x1e, 0xfa], &BEGIN[..], &[0x53, 0xc3]].concat();
        assert_eq!(made(&marked), Some(8));
    }

    #[test]
    fn what_is_not_told_by_these_instructions_is_not_guessed() {
        // A function without a frame pointer: push %rbp; push %r15
        assert_eq!(made(&[0x55, 0x41, 0x57, 0x90, 0x90]), None);
        // and $-32,%rsp
        assert_eq!(of(&[0x48, 0x83, 0xe4, 0xe0]), None);
        // sub $0x1000,%rsp; lea -0x8000(%rsp),%r11
        assert_eq!(of(&[0x48, 0x81, 0xec, 0, 0x10, 0, 0]), None);
        assert_eq!(of(&[0x4c, 0x8d, 0x9c, 0x24, 0, 0x80, 0xff, 0xff]), None);
        assert_eq!(made(&BEGIN), None);
        assert_eq!(made(&[]), None);
    }
}
