//! Which process a recording belongs to, in a way that survives pid reuse and reboots.

use std::fs;

/// A process, told apart from every other one of this boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProcessIdentity {
    /// The process id.
    pub pid: u32,
    /// Start time in clock ticks since boot.
    pub start_ticks: u64,
}

impl ProcessIdentity {
    /// The calling process; `None` where `/proc` is not mounted.
    pub fn own() -> Option<Self> {
        Self::of_stat(&fs::read_to_string("/proc/self/stat").ok()?)
    }

    /// The process that has `pid` now; `None` where there is none.
    pub fn of(pid: u32) -> Option<Self> {
        Self::of_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Whether this very process still exists (as a zombie too).
    pub fn exists(&self) -> bool {
        Self::of(self.pid) == Some(*self)
    }

    /// `pid (comm) state ppid …`: the name may hold spaces and parentheses, so fields count from its end.
    fn of_stat(stat: &str) -> Option<Self> {
        let (head, tail) = stat.rsplit_once(')')?;
        let pid = head.split_whitespace().next()?.parse().ok()?;
        // Field 22 of the line is the 20th after the name.
        let start_ticks = tail.split_whitespace().nth(19)?.parse().ok()?;
        Some(Self { pid, start_ticks })
    }
}

/// This boot's random id; zero where the kernel does not tell.
pub fn boot_id() -> [u64; 2] {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    let half = |range| {
        digits
            .get(range)
            .and_then(|part| u64::from_str_radix(part, 16).ok())
            .unwrap_or(0)
    };
    [half(0..16), half(16..32)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4 1 0 0 0 1 1 0 0 20 0 1 0 4242 1 1";
        let identity = ProcessIdentity::of_stat(stat);
        assert_eq!(
            identity,
            Some(ProcessIdentity {
                pid: 7,
                start_ticks: 4242
            })
        );
    }

    #[test]
    fn the_own_process_exists_and_a_reused_pid_is_not_it() {
        let own = ProcessIdentity::own().unwrap();
        assert!(own.exists());
        assert!(
            !ProcessIdentity {
                start_ticks: own.start_ticks + 1,
                ..own
            }
            .exists()
        );
    }
}
