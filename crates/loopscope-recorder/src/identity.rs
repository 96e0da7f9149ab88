//! Which process a recording belongs to, in a way that survives pid reuse and reboots.

use std::fs;
use std::os::unix::fs::MetadataExt;

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

/// The calling process's pid namespace, by its inode; 0 where it is not known.
pub fn pid_namespace() -> u64 {
    fs::metadata("/proc/self/ns/pid").map_or(0, |found| found.ino())
}

/// A process of another pid namespace as it is known in ours; `None` where it is gone or out of sight.
///
/// Looks through all processes, for the ids in a recording are those that its own namespace gave.
pub fn seen_from_here(process: ProcessIdentity) -> Option<ProcessIdentity> {
    let entries = fs::read_dir("/proc").ok()?;
    let pids = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut same_start = pids
        .filter_map(ProcessIdentity::of)
        .filter(|found| found.start_ticks == process.start_ticks);
    same_start
        .find(|found| innermost_id(&format!("/proc/{}/status", found.pid)) == Some(process.pid))
}

/// A thread of another pid namespace as it is known in ours; `pid` is its process in ours.
pub fn thread_seen_from_here(pid: u32, thread_id: u32) -> Option<u32> {
    let entries = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    let mut threads = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    threads.find(|tid| innermost_id(&format!("/proc/{pid}/task/{tid}/status")) == Some(thread_id))
}

/// The id that the innermost namespace gave, from a `status` file.
fn innermost_id(status: &str) -> Option<u32> {
    let text = fs::read_to_string(status).ok()?;
    let ids = text.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    ids.split_ascii_whitespace().next_back()?.parse().ok()
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
    fn the_own_process_and_thread_are_found_by_their_innermost_ids() {
        let own = ProcessIdentity::own().unwrap();
        assert_eq!(seen_from_here(own), Some(own));
        assert_eq!(thread_seen_from_here(own.pid, own.pid), Some(own.pid));
        assert_eq!(thread_seen_from_here(own.pid, 4_194_304 + 7), None);
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
