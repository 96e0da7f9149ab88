//! What a process may take: memory by its control group or the host, descriptors by its own limit.

use std::fs;
use std::path::{Path, PathBuf};

use crate::time::Nanos;

/// Limits seldom change; they are read again this often.
const READ: Nanos = Nanos::from_millis(10_000);

/// Where control groups are mounted, in their second version.
const GROUPS: &str = "/sys/fs/cgroup";

/// The limits of one process.
#[derive(Debug, Default)]
pub(super) struct Limits {
    due: Nanos,
    pub(super) memory_bytes: Option<u64>,
    pub(super) descriptors: Option<u64>,
}

impl Limits {
    /// Reads them where that is due.
    pub(super) fn read(&mut self, pid: u32, now: Nanos) {
        if now < self.due {
            return;
        }
        self.due = now.plus(READ);
        let limits = fs::read_to_string(format!("/proc/{pid}/limits"));
        self.descriptors = open_files(&limits.unwrap_or_default());
        let group = fs::read_to_string(format!("/proc/{pid}/cgroup"));
        let of_group = group_limit(&group.unwrap_or_default(), Path::new(GROUPS));
        let host = fs::read_to_string("/proc/meminfo");
        let of_host = host_memory(&host.unwrap_or_default());
        self.memory_bytes = [of_group, of_host].into_iter().flatten().min();
    }
}

/// The soft limit on open files.
fn open_files(limits: &str) -> Option<u64> {
    let mut lines = limits.lines();
    let line = lines.find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// The least memory limit of a process's group and the groups around it.
fn group_limit(groups: &str, mounted: &Path) -> Option<u64> {
    let mut lines = groups.lines();
    // The second version has one group, numbered 0 and with no controller named.
    let path = lines.find_map(|line| line.strip_prefix("0::/"))?;
    let own = mounted.join(path);
    let around = own.ancestors().take_while(|path| path.starts_with(mounted));
    around
        .filter_map(|path| memory_max(path.join("memory.max")))
        .min()
}

/// `max` is no limit.
fn memory_max(path: PathBuf) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn host_memory(meminfo: &str) -> Option<u64> {
    let mut lines = meminfo.lines();
    let line = lines.find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.split_ascii_whitespace().next()?.parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_on_files_is_the_first_figure() {
        let limits = "Limit  Soft Limit  Hard Limit  Units\nMax open files  1024  524288  files\n";
        assert_eq!(open_files(limits), Some(1024));
        assert_eq!(
            open_files("Max open files  unlimited  unlimited  files"),
            None
        );
        assert_eq!(open_files(""), None);
    }

    #[test]
    fn the_tightest_group_around_a_process_limits_its_memory() {
        let mounted = std::env::temp_dir().join(format!("ls-groups-{}", std::process::id()));
        let own = mounted.join("service/worker");
        fs::create_dir_all(&own).unwrap();
        fs::write(own.join("memory.max"), "max\n").unwrap();
        fs::write(mounted.join("service/memory.max"), "1073741824\n").unwrap();
        assert_eq!(group_limit("0::/service/worker\n", &mounted), Some(1 << 30));
        assert_eq!(group_limit("4:memory:/service\n", &mounted), None);
        assert_eq!(group_limit("", &mounted), None);
        fs::remove_dir_all(&mounted).unwrap();
    }

    #[test]
    fn the_own_process_has_limits() {
        let mut limits = Limits::default();
        limits.read(std::process::id(), Nanos(1));
        assert!(limits.memory_bytes.is_some_and(|bytes| bytes > 1 << 20));
        assert!(limits.descriptors.is_none_or(|most| most > 2));
    }
}
