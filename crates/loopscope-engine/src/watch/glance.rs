//! A glance at a process: is it still the same one, and is it running? One small file of `/proc`.

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt};

use loopscope_recorder::identity::ProcessIdentity;

/// What a glance shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Glance {
    /// Alive, and neither stopped nor ended.
    Running,
    /// Stopped by a signal or a tracer.
    Stopped,
    /// Ended, and not yet collected by its parent. With the status that is kept for that one: 0 also where we
    /// may not know it.
    Ended(i32),
    /// Replaced by another process, or not there.
    Gone,
}

/// A process to glance at. The file stays open: a read of it is one system call, and when the process is
/// gone it fails, whoever has its id by then.
#[derive(Debug)]
pub(super) struct Glancer {
    stat: Option<fs::File>,
    start_ticks: u64,
}

impl Glancer {
    pub(super) fn new(process: ProcessIdentity) -> Self {
        Self {
            stat: fs::File::open(format!("/proc/{}/stat", process.pid)).ok(),
            start_ticks: process.start_ticks,
        }
    }

    /// Looks at the process.
    pub(super) fn glance(&self) -> Glance {
        let mut text = [0; 1024];
        let read = self
            .stat
            .as_ref()
            .and_then(|stat| stat.read_at(&mut text, 0).ok());
        let stat = &text[..read.unwrap_or(0)];
        of_stat(&String::from_utf8_lossy(stat), self.start_ticks)
    }
}

fn of_stat(stat: &str, start_ticks: u64) -> Glance {
    let mut fields = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_ascii_whitespace();
    let state = fields.next();
    // Field 20 of the line; the state is field 3, and the next one to come is field 4.
    let threads: u64 = fields
        .nth(16)
        .and_then(|count| count.parse().ok())
        .unwrap_or(0);
    // Field 22.
    if fields.nth(1).and_then(|ticks| ticks.parse().ok()) != Some(start_ticks) {
        return Glance::Gone;
    }
    match state {
        Some("T" | "t") => Glance::Stopped,
        // The first thread may end before the others; the process lives on in them.
        Some("Z") if threads > 1 => Glance::Running,
        // Field 52.
        Some("Z" | "X") => {
            let status = fields.nth(29).and_then(|status| status.parse().ok());
            Glance::Ended(status.unwrap_or(0))
        }
        _ => Glance::Running,
    }
}

/// Whether a process has a file mapped. After `exec` the mappings of the old program are gone, and what
/// its recording says no longer holds. An unreadable map counts as mapped: it proves nothing.
pub(super) fn has_mapped(pid: u32, file: &fs::File) -> bool {
    let Ok(found) = file.metadata() else {
        return true;
    };
    let Ok(maps) = fs::read_to_string(format!("/proc/{pid}/maps")) else {
        return true;
    };
    let inode = found.ino().to_string();
    maps.is_empty()
        || maps
            .lines()
            .any(|line| line.split_ascii_whitespace().nth(4) == Some(&inode))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "7 (a) T (b) S 1 7 7 0 -1 4 1 0 0 0 1 1 0 0 20 0 1 0 4242 1 1";

    #[test]
    fn a_process_is_told_by_its_start() {
        assert_eq!(of_stat(STAT, 4242), Glance::Running);
        assert_eq!(of_stat(STAT, 4243), Glance::Gone);
        assert_eq!(of_stat("", 4242), Glance::Gone);
    }

    #[test]
    fn a_stopped_process_is_told_from_one_that_sleeps() {
        assert_eq!(
            of_stat(&STAT.replace(") S ", ") T "), 4242),
            Glance::Stopped
        );
        assert_eq!(
            of_stat(&STAT.replace(") S ", ") Z "), 4242),
            Glance::Ended(0)
        );
        let led = STAT
            .replace(") S ", ") Z ")
            .replace("20 0 1 0 4242", "20 0 3 0 4242");
        assert_eq!(of_stat(&led, 4242), Glance::Running);
    }

    #[test]
    fn a_process_that_was_killed_says_so_until_it_is_collected() {
        let mut child = std::process::Command::new("cat")
            .stdin(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let glancer = Glancer::new(ProcessIdentity::of(child.id()).unwrap());
        child.kill().unwrap();
        while glancer.glance() == Glance::Running {}
        assert_eq!(glancer.glance(), Glance::Ended(9));
        child.wait().unwrap();
        assert_eq!(glancer.glance(), Glance::Gone);
    }

    #[test]
    fn a_process_that_ended_is_gone() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let glancer = Glancer::new(ProcessIdentity::of(child.id()).unwrap());
        child.wait().unwrap();
        assert_eq!(glancer.glance(), Glance::Gone);
        let own = Glancer::new(ProcessIdentity::own().unwrap());
        assert_eq!(own.glance(), Glance::Running);
    }

    #[test]
    fn a_file_that_was_never_mapped_is_not() {
        let file = fs::File::open("/proc/self/status").unwrap();
        assert!(!has_mapped(std::process::id(), &file));
        let own = fs::File::open(std::env::current_exe().unwrap()).unwrap();
        assert!(has_mapped(std::process::id(), &own));
    }
}
