//! What a return address says: behind which call it is.

use super::words::words;

/// A call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    /// Of the function that begins there.
    Of(u64),
    /// Of one that the instruction alone does not tell.
    Unknown,
}

/// The call before an address; `None` where there is none.
pub(super) fn call_before(pid: u32, address: u64) -> Option<Call> {
    let [word] = words(pid, address.checked_sub(8)?)?;
    let bytes = word.to_le_bytes();
    let function = match target(bytes, address) {
        Some(Target::At(function)) => Some(function),
        Some(Target::InSlot(slot)) => words(pid, slot).map(|[function]: [u64; 1]| function),
        None if ends_in_a_call(bytes) => None,
        None => return None,
    };
    Some(function.map_or(Call::Unknown, Call::Of))
}

/// Whether these bytes may end in a call: of a distance, or of what a register or a place in memory holds.
fn ends_in_a_call(bytes: [u8; 8]) -> bool {
    let is_indirect = |at: usize| {
        let [0xff, modes, ref rest @ ..] = bytes[at..] else {
            return false;
        };
        let (mode, operation, base) = (modes >> 6, modes >> 3 & 7, modes & 7);
        let more = match (mode, base) {
            (0, 5) => 4,
            (0, 4) => 1,
            (1, 4) => 2,
            (2, 4) => 5,
            (1, _) => 1,
            (2, _) => 4,
            _ => 0,
        };
        operation == 2 && rest.len() == more
    };
    bytes[3] == 0xe8 || (1..7).any(is_indirect)
}

#[derive(Debug, PartialEq, Eq)]
enum Target {
    At(u64),
    /// The function whose address is there.
    InSlot(u64),
}

/// The target of a call whose last byte is the last of these, and behind which this address is.
fn target(bytes: [u8; 8], address: u64) -> Option<Target> {
    let [.., one, two, three, four] = bytes;
    let distance = i32::from_le_bytes([one, two, three, four]);
    let reached = address.wrapping_add_signed(distance.into());
    match bytes {
        // call *distance(%rip), as a function of another crate is called that is looked up when the program is loaded.
        [_, _, 0xff, 0x15, ..] => Some(Target::InSlot(reached)),
        // call distance
        [_, _, _, 0xe8, ..] => Some(Target::At(reached)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_tells_its_target_and_anything_else_none() {
        let forward = [0x90, 0x90, 0x67, 0xe8, 0x10, 0, 0, 0];
        assert_eq!(target(forward, 0x1000), Some(Target::At(0x1010)));
        let back = [0, 0, 0, 0xe8, 0xf0, 0xff, 0xff, 0xff];
        assert_eq!(target(back, 0x1000), Some(Target::At(0xff0)));
        let slot = [0, 0, 0xff, 0x15, 0x00, 0x01, 0, 0];
        assert_eq!(target(slot, 0x1000), Some(Target::InSlot(0x1100)));
        // call *0x18(%rax)
        let table = [0, 0, 0, 0, 0, 0xff, 0x50, 0x18];
        assert_eq!(target(table, 0x1000), None);
    }

    #[test]
    fn every_form_of_a_call_is_one() {
        let is_call = |code: &[u8]| {
            let mut bytes = [0x90; 8];
            bytes[8 - code.len()..].copy_from_slice(code);
            ends_in_a_call(bytes)
        };
        for code in [
            &[0xe8, 0, 0, 0, 0][..],
            // *%rbp, *%r12, *(%rax), *(%rax,%rcx), *0x18(%rax), *0x18(%rsp), *0x118(%rax), *0x118(%rsp), *slot(%rip)
            &[0xff, 0xd5],
            &[0x41, 0xff, 0xd4],
            &[0xff, 0x10],
            &[0xff, 0x14, 0x08],
            &[0xff, 0x50, 0x18],
            &[0xff, 0x54, 0x24, 0x18],
            &[0xff, 0x90, 0x18, 1, 0, 0],
            &[0xff, 0x94, 0x24, 0x18, 1, 0, 0],
            &[0xff, 0x15, 0, 1, 0, 0],
        ] {
            assert!(is_call(code), "{code:x?}");
        }
        // jmp *%rax, push *%rax, mov, nothing
        for code in [&[0xff, 0xe0][..], &[0xff, 0xf0], &[0x48, 0x89, 0xe5], &[]] {
            assert!(!is_call(code), "{code:x?}");
        }
    }

    #[test]
    fn an_address_that_is_not_mapped_is_behind_no_call() {
        assert_eq!(call_before(std::process::id(), 3), None);
        assert_eq!(call_before(std::process::id(), 64), None);
    }
}
