//! What `/proc` and a recording say of a process: the facts that a dump is joined with.

use std::fs;

use jiff::Timestamp;
use loopscope_engine::dump::{DumpProcess, NativeThread, RecordedLoop, Surroundings};
use loopscope_inspect::kernel;
use loopscope_recorder::clock::monotonic_nanos;
use loopscope_recorder::reader::RecordingReader;
use nix::unistd::{Uid, User, geteuid};

use crate::recordings::find_all;

/// The fields of `/proc/PID/status` that are of use here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Status {
    /// The process that the id belongs to: another one for the id of a thread.
    pub(super) thread_group: u32,
    /// The state's letter.
    pub(super) state: char,
    /// Its effective user.
    pub(super) uid: Option<u32>,
    /// Its ids from the outermost pid namespace that is seen from here to its own.
    pub(super) namespaced_pids: Vec<u32>,
    /// Its tracer, 0 for none.
    pub(super) tracer: u32,
    /// Whether a seccomp filter is on it.
    pub(super) has_seccomp_filter: bool,
    /// Its effective capabilities.
    pub(super) capabilities: u64,
}

impl Status {
    /// Reads it; `None` where there is no such process.
    pub(super) fn read(pid: &str) -> Option<Self> {
        let bytes = fs::read(format!("/proc/{pid}/status")).ok()?;
        Some(Self::parse(&String::from_utf8_lossy(&bytes)))
    }

    fn parse(text: &str) -> Self {
        let mut status = Self::default();
        for (key, value) in text.lines().filter_map(|line| line.split_once(':')) {
            let mut words = value.split_ascii_whitespace();
            match key {
                "Tgid" => status.thread_group = number(words.next()).unwrap_or(0),
                "State" => status.state = value.trim_start().chars().next().unwrap_or('?'),
                // Real, effective, saved, file system.
                "Uid" => status.uid = number(words.nth(1)),
                "NSpid" => status.namespaced_pids = words.filter_map(|w| w.parse().ok()).collect(),
                "TracerPid" => status.tracer = number(words.next()).unwrap_or(0),
                "Seccomp" => status.has_seccomp_filter = words.next() == Some("2"),
                "CapEff" => {
                    let hex = words.next().unwrap_or_default();
                    status.capabilities = u64::from_str_radix(hex, 16).unwrap_or(0);
                }
                _ => {}
            }
        }
        status
    }

    /// Whether it has ended and only waits for its parent.
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.state, 'Z' | 'X')
    }

    /// Its id inside its own pid namespace, where that is another one.
    pub(super) fn inner_pid(&self) -> Option<u32> {
        match self.namespaced_pids.as_slice() {
            [_, .., inner] => Some(*inner),
            _ => None,
        }
    }
}

fn number(word: Option<&str>) -> Option<u32> {
    word?.parse().ok()
}

/// The process as the kernel knows it now. To be asked before it is stopped for the reading.
pub(super) fn process(pid: u32, status: &Status) -> DumpProcess {
    let facts = kernel::process_facts(pid);
    DumpProcess {
        pid,
        namespaced_pid: status.inner_pid(),
        name: facts
            .as_ref()
            .map(|facts| facts.name.clone())
            .unwrap_or_default(),
        command_line: command_line(pid),
        working_folder: fs::read_link(format!("/proc/{pid}/cwd"))
            .ok()
            .map(|folder| folder.to_string_lossy().into_owned()),
        uid: status.uid,
        user: status.uid.and_then(user_name),
        is_of_other_user: status.uid.is_some_and(|uid| uid != geteuid().as_raw()),
        is_stopped: matches!(status.state, 'T' | 't'),
        traced_by: Some(status.tracer)
            .filter(|tracer| *tracer != 0)
            .map(process_of),
        rss_bytes: facts.and_then(|facts| facts.rss_bytes),
    }
}

/// The process that a thread belongs to; the id itself where that cannot be told.
pub(super) fn process_of(tid: u32) -> u32 {
    let status = Status::read(&tid.to_string()).unwrap_or_default();
    match status.thread_group {
        0 => tid,
        pid => pid,
    }
}

/// The words of a process's command line; empty for one that has none.
pub(super) fn command_line(pid: u32) -> Vec<String> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let words = text.trim_end_matches('\0');
    if words.is_empty() {
        return Vec::new();
    }
    words.split('\0').map(str::to_owned).collect()
}

/// A user's name.
pub(super) fn user_name(uid: u32) -> Option<String> {
    Some(User::from_uid(Uid::from_raw(uid)).ok()??.name)
}

/// Joins what is known of the process besides its memory. `taken_nanos` is when that was read; `None`
/// where it was not.
pub(super) fn gather(process: DumpProcess, taken_nanos: Option<u64>) -> Surroundings {
    let pid = process.pid;
    Surroundings {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        timestamp: wall_time(taken_nanos),
        threads: threads(pid),
        recorded: recorded(pid),
        process,
    }
}

fn wall_time(taken_nanos: Option<u64>) -> Timestamp {
    let now = Timestamp::now();
    let ago = taken_nanos.map_or(0, |taken| monotonic_nanos().saturating_sub(taken));
    let then = now.as_nanosecond() - i128::from(ago);
    Timestamp::from_nanosecond(then).unwrap_or(now)
}

fn threads(pid: u32) -> Vec<NativeThread> {
    let thread = |tid: u32| NativeThread {
        thread_id: tid,
        name: kernel::thread_comm(pid, tid),
        kernel: (&kernel::thread_state(pid, tid)).into(),
    };
    kernel::thread_ids(pid).into_iter().map(thread).collect()
}

/// The loops of the process's recording, where it has one.
fn recorded(pid: u32) -> Vec<RecordedLoop> {
    let is_its = |reader: &RecordingReader| {
        let description = reader.description();
        description
            .process_here()
            .is_some_and(|process| process.pid == pid)
            && description.is_live()
    };
    let found = find_all()
        .into_iter()
        .filter_map(|found| found.reader.ok())
        .filter(is_its)
        .max_by_key(|reader| reader.description().created_unix_nanos);
    // Thread ids of another pid namespace are none of those seen here.
    let Some(mut reader) = found.filter(|reader| !reader.description().is_foreign) else {
        return Vec::new();
    };
    let Ok((_, loops)) = reader.read_loops() else {
        return Vec::new();
    };
    let live = loops.into_iter().filter(|state| state.is_live);
    live.map(|state| RecordedLoop {
        thread_id: state.thread_id,
        busy_since_nanos: state.busy_since_nanos,
        last_beat_nanos: state.last_beat_nanos,
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_field_by_field() {
        let status = Status::parse(
            "Name:\tpython3\nState:\tT (stopped)\nTgid:\t4242\nPid:\t4242\nTracerPid:\t77\n\
             Uid:\t1000\t1001\t1000\t1000\nNSpid:\t4242\t12\t1\nCapEff:\t0000000000080000\nSeccomp:\t2\n",
        );
        assert_eq!((status.thread_group, status.state), (4242, 'T'));
        assert_eq!((status.uid, status.tracer), (Some(1001), 77));
        assert_eq!(status.inner_pid(), Some(1));
        assert!(status.has_seccomp_filter && status.capabilities == 1 << 19);
        assert!(Status::parse("").inner_pid().is_none());
    }

    #[test]
    fn this_process_is_described() {
        let status = Status::read("self").unwrap();
        let found = process(std::process::id(), &status);
        assert_eq!(found.command_line.len(), std::env::args().count());
        assert!(!found.is_of_other_user && !found.is_stopped && found.namespaced_pid.is_none());
        assert!(Status::read("4194311").is_none());
    }
}
