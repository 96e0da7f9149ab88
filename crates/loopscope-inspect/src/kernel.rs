//! What the kernel says of a process and its threads, from `/proc`.
//!
//! Independent of the interpreter: it works for any program. Each function reads afresh and keeps
//! nothing. A figure that cannot be read is absent (`None`), never zero; it does not say why, for a
//! thread that ended between two looks is no error.

use std::fs;
use std::os::unix::fs::{DirEntryExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Clock ticks in a second as `/proc` counts them: `USER_HZ`, part of the kernel's ABI on Linux.
const TICKS_PER_SECOND: u64 = 100;

/// The scheduler's view of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// On a processor, or waiting for one.
    Runnable,
    /// Asleep, interruptible.
    Sleeping,
    /// Asleep in the kernel, uninterruptible: disk, a page fault.
    DiskSleep,
    /// Stopped by a signal or a tracer.
    Stopped,
    /// Ended, and not yet collected by its parent.
    Zombie,
    /// Anything else, or not readable.
    Unknown,
}

/// What the kernel says of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ThreadKernelState {
    /// The scheduler's view.
    pub run_state: RunState,
    /// The number of the system call that it is in; `None` while it runs user code or cannot be told.
    pub syscall: Option<u32>,
    /// That call's first argument: where it waits at a futex, the futex's address.
    pub argument: Option<u64>,
    /// Time on a processor since the thread's start.
    pub cpu_nanos: Option<u64>,
    /// Time spent ready to run without a processor since the thread's start.
    pub runqueue_nanos: Option<u64>,
}

impl ThreadKernelState {
    /// Of a thread of which nothing is known.
    pub(crate) const UNKNOWN: Self = Self {
        run_state: RunState::Unknown,
        syscall: None,
        argument: None,
        cpu_nanos: None,
        runqueue_nanos: None,
    };
}

/// What the kernel says of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessFacts {
    /// The program's name, at most 15 bytes.
    pub name: String,
    /// The parent's process id.
    pub parent_pid: u32,
    /// Start time in clock ticks since boot: with the pid, the process's identity.
    pub start_ticks: u64,
    /// The scheduler's view of the main thread.
    pub run_state: RunState,
    /// Threads.
    pub threads: u64,
    /// Processor time used by all threads, ended ones included, user and system.
    pub cpu_nanos: u64,
    /// Resident memory.
    pub rss_bytes: Option<u64>,
    /// Open file descriptors.
    pub open_fds: Option<u64>,
    /// The program file.
    pub executable: Option<PathBuf>,
}

/// What the kernel says of a thread now; all unknown for a thread that is gone.
pub fn thread_state(pid: u32, tid: u32) -> ThreadKernelState {
    let folder = format!("/proc/{pid}/task/{tid}");
    let stat = read(&format!("{folder}/stat"));
    let call = read(&format!("{folder}/syscall"));
    let (cpu_nanos, runqueue_nanos) = schedule_times(&read(&format!("{folder}/schedstat")));
    ThreadKernelState {
        run_state: stat_fields(&stat).map_or(RunState::Unknown, |stat| stat.run_state()),
        syscall: current_syscall(&call),
        argument: first_argument(&call),
        cpu_nanos,
        runqueue_nanos,
    }
}

/// What the kernel says of a process now; `None` where it is gone.
pub fn process_facts(pid: u32) -> Option<ProcessFacts> {
    let text = read(&format!("/proc/{pid}/stat"));
    let stat = stat_fields(&text)?;
    let ticks = stat.number(14)?.checked_add(stat.number(15)?)?;
    Some(ProcessFacts {
        name: stat.name.to_owned(),
        parent_pid: u32::try_from(stat.number(4)?).ok()?,
        start_ticks: stat.number(22)?,
        run_state: stat.run_state(),
        threads: stat.number(20)?,
        cpu_nanos: ticks.saturating_mul(1_000_000_000 / TICKS_PER_SECOND),
        rss_bytes: resident_bytes(&read(&format!("/proc/{pid}/status"))),
        open_fds: open_fds(pid),
        executable: fs::read_link(format!("/proc/{pid}/exe")).ok(),
    })
}

/// How many descriptors a process has open. Linux says so from 6.2 on; before, they are counted.
fn open_fds(pid: u32) -> Option<u64> {
    let path = format!("/proc/{pid}/fd");
    match fs::metadata(&path).ok()?.len() {
        0 => Some(fs::read_dir(path).ok()?.count() as u64),
        told => Some(told),
    }
}

/// When a process started, in clock ticks since boot; with the pid, its identity.
pub fn start_ticks(pid: u32) -> Option<u64> {
    stat_fields(&read(&format!("/proc/{pid}/stat")))?.number(22)
}

/// The parent of a process.
pub fn parent_pid(pid: u32) -> Option<u32> {
    let parent = stat_fields(&read(&format!("/proc/{pid}/stat")))?.number(4)?;
    u32::try_from(parent).ok()
}

/// All processes on this host that can be seen, each with a number that a later process of the same id
/// seldom has.
pub fn processes() -> Vec<(u32, u64)> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pid = |entry: &fs::DirEntry| entry.file_name().to_str()?.parse().ok();
    entries
        .flatten()
        .filter_map(|entry| Some((pid(&entry)?, entry.ino())))
        .collect()
}

/// The user that a process acts as; root where it keeps others out.
pub fn effective_user(pid: u32) -> Option<u32> {
    Some(fs::metadata(format!("/proc/{pid}")).ok()?.uid())
}

/// Whether a process has an epoll set open; `None` where it may not be looked into.
pub fn has_epoll(pid: u32) -> Option<bool> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).ok()?;
    let mut targets = entries
        .flatten()
        .filter_map(|entry| fs::read_link(entry.path()).ok());
    Some(targets.any(|target| target == Path::new("anon_inode:[eventpoll]")))
}

/// The ids of a process's threads, ascending; empty where it is gone.
pub fn thread_ids(pid: u32) -> Vec<u32> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    let mut tids: Vec<u32> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    tids.sort_unstable();
    tids
}

/// A thread's name as the kernel has it, at most 15 bytes.
pub fn thread_comm(pid: u32, tid: u32) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{tid}/comm")).ok()?;
    Some(text.trim_end_matches('\n').to_owned())
}

/// A thread's id inside its own pid namespace, which is what the target itself stores.
pub(crate) fn namespaced_tid(pid: u32, tid: u32) -> Option<u32> {
    let ids = thread_status(pid, tid, "NSpid")?;
    ids.split_ascii_whitespace().next_back()?.parse().ok()
}

/// How often a thread went to sleep by itself; `None` where it is gone.
pub fn voluntary_switches(pid: u32, tid: u32) -> Option<u64> {
    thread_status(pid, tid, "voluntary_ctxt_switches")?
        .parse()
        .ok()
}

/// One line of a thread's `status` file, by its key.
pub(crate) fn thread_status(pid: u32, tid: u32, key: &str) -> Option<String> {
    let status = read(&format!("/proc/{pid}/task/{tid}/status"));
    let value = status
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    Some(value.trim().to_owned())
}

/// A `/proc` file as text, empty where it cannot be read. Names in it may hold any bytes.
fn read(path: &str) -> String {
    fs::read(path)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default()
}

/// One line of a `stat` file. The name is in parentheses and may itself hold parentheses and spaces.
struct StatFields<'text> {
    name: &'text str,
    after_name: &'text str,
}

fn stat_fields(text: &str) -> Option<StatFields<'_>> {
    let open = text.find('(')?;
    let close = text.rfind(')')?;
    Some(StatFields {
        name: text.get(open + 1..close)?,
        after_name: text.get(close + 1..)?,
    })
}

impl StatFields<'_> {
    /// A field by its number in proc(5), where the state is number 3.
    fn number(&self, field: usize) -> Option<u64> {
        self.after_name
            .split_ascii_whitespace()
            .nth(field.checked_sub(3)?)?
            .parse()
            .ok()
    }

    fn run_state(&self) -> RunState {
        match self.after_name.split_ascii_whitespace().next() {
            Some("R") => RunState::Runnable,
            Some("S" | "I") => RunState::Sleeping,
            Some("D") => RunState::DiskSleep,
            Some("T" | "t") => RunState::Stopped,
            Some("Z" | "X") => RunState::Zombie,
            _ => RunState::Unknown,
        }
    }
}

/// `schedstat`: time on a processor, time waiting for one, slices.
fn schedule_times(text: &str) -> (Option<u64>, Option<u64>) {
    let mut numbers = text
        .split_ascii_whitespace()
        .map(|number| number.parse().ok());
    (numbers.next().flatten(), numbers.next().flatten())
}

/// `syscall`: the call's number first, `-1` where blocked outside a call, `running` where on a processor.
fn current_syscall(text: &str) -> Option<u32> {
    text.split_ascii_whitespace().next()?.parse().ok()
}

/// `syscall` within a call: six arguments in hexadecimal after the number.
fn first_argument(text: &str) -> Option<u64> {
    current_syscall(text)?;
    let argument = text.split_ascii_whitespace().nth(1)?;
    u64::from_str_radix(argument.strip_prefix("0x")?, 16).ok()
}

fn resident_bytes(status: &str) -> Option<u64> {
    let value = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = value.split_ascii_whitespace().next()?.parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_spaces_does_not_shift_the_fields() {
        let stat = stat_fields("7 (a) S (b)) R 5 7 7 0 -1").unwrap();
        assert_eq!(stat.name, "a) S (b)");
        assert_eq!(stat.run_state(), RunState::Runnable);
        assert_eq!(stat.number(4), Some(5));
    }

    #[test]
    fn a_thread_outside_a_system_call_has_no_number() {
        assert_eq!(current_syscall("running\n"), None);
        assert_eq!(current_syscall("-1 0x7ffc 0x7f\n"), None);
        assert_eq!(current_syscall("230 0x0 0x0 0x7ffc\n"), Some(230));
        assert_eq!(current_syscall(""), None);
        assert_eq!(first_argument("-1 0x7ffc 0x7f\n"), None);
        assert_eq!(first_argument("202 0x7ffc 0x189\n"), Some(0x7ffc));
    }

    #[test]
    fn this_process_is_described() {
        let pid = std::process::id();
        let facts = process_facts(pid).unwrap();
        assert_eq!(Some(facts.start_ticks), start_ticks(pid));
        assert_eq!(facts.executable, std::env::current_exe().ok());
        assert!(facts.rss_bytes.unwrap() > 0 && facts.open_fds.unwrap() >= 3);
        assert!(thread_ids(pid).contains(&pid));
        assert_eq!(namespaced_tid(pid, pid), Some(pid));
    }

    #[test]
    fn this_process_is_among_all_and_its_parent_is_known() {
        let pid = std::process::id();
        assert!(processes().iter().any(|(found, _)| *found == pid));
        assert_eq!(parent_pid(pid), Some(std::os::unix::process::parent_id()));
        assert!(effective_user(pid).is_some());
    }

    #[test]
    fn an_epoll_set_is_seen_among_the_descriptors() {
        let pid = std::process::id();
        let set = nix::sys::epoll::Epoll::new(nix::sys::epoll::EpollCreateFlags::empty());
        assert_eq!(has_epoll(pid), Some(true));
        drop(set);
        assert_eq!(has_epoll(4_194_304 + 7), None);
    }

    #[test]
    fn a_process_that_does_not_exist_has_no_facts() {
        // Above the largest pid that Linux gives out.
        let absent = 4_194_304 + 7;
        assert_eq!(process_facts(absent), None);
        assert_eq!(thread_state(absent, absent).run_state, RunState::Unknown);
        assert!(thread_ids(absent).is_empty());
    }
}
