//! Threads with their stacks, those that stand at the same place together.

use std::collections::HashMap;

use loopscope_engine::dump::{DumpFrame, DumpRunState, DumpThread, DumpThreadState, NativeThread};

use super::Drawing;
use crate::screen::format;

/// Stacks shown. The rest is counted.
const MOST_STACKS: usize = 16;
/// Frames shown of a long stack: so many of the innermost, and so many of the outermost.
const INNERMOST: usize = 16;
const OUTERMOST: usize = 4;
/// Threads of one stack that are named.
const MOST_NAMED: usize = 4;

impl Drawing<'_> {
    pub(super) fn threads(&self) -> String {
        let groups = grouped(&self.report.threads);
        let native = self.native_threads();
        if groups.is_empty() && native.is_empty() {
            return String::new();
        }
        let mut text = format!("{}\n", self.layout.title("Threads"));
        for threads in groups.iter().take(MOST_STACKS) {
            text.push_str(&self.same_stack(threads));
        }
        text.push_str(&self.more(groups.len(), MOST_STACKS));
        text.push_str(&native);
        text
    }

    /// `MainThread (4242)`.
    pub(super) fn thread_name(&self, index: usize) -> String {
        self.thread(index)
            .map_or_else(|| "a thread".to_owned(), name)
    }

    fn same_stack(&self, threads: &[&DumpThread]) -> String {
        let Some(first) = threads.first() else {
            return String::new();
        };
        let head = match threads {
            [one] => {
                let state = [thread_state(&one.kernel), roles(one)].concat();
                let state = if state.is_empty() {
                    String::new()
                } else {
                    format!("  {}", state.join(", "))
                };
                format!("{}{state}", self.layout.title(&name(one)))
            }
            many => {
                let count = format::count(many.len() as u64, "thread", "threads");
                let mut names: Vec<String> =
                    many.iter().take(MOST_NAMED).map(|one| name(one)).collect();
                if many.len() > MOST_NAMED {
                    names.push("…".to_owned());
                }
                let state = thread_state(&first.kernel).join(", ");
                format!(
                    "{}  {state}: {}",
                    self.layout.title(&count),
                    names.join(", ")
                )
            }
        };
        let mut text = self.layout.item("  ", &head);
        text.push_str(&self.stack(&first.frames));
        if let Some(problem) = &first.problem {
            text.push_str(&self.layout.item("      not read: ", problem));
        }
        text
    }

    /// Innermost first, one a line.
    fn stack(&self, frames: &[DumpFrame]) -> String {
        let lines = frames.iter().map(|frame| self.frame(frame));
        if frames.len() <= INNERMOST + OUTERMOST + 1 {
            return lines.collect();
        }
        let left = frames.len() - INNERMOST - OUTERMOST;
        let mut text: String = lines.clone().take(INNERMOST).collect();
        text.push_str(&self.layout.dim(&format!("      … {left} more …\n")));
        text.extend(lines.skip(INNERMOST + left));
        text
    }

    fn frame(&self, frame: &DumpFrame) -> String {
        let line = self.paths().line(frame);
        let shown = format!("{} ({line})", frame.function);
        let shown = if frame.in_app {
            shown
        } else {
            self.layout.dim(&shown)
        };
        format!("      {shown}\n")
    }

    /// Threads without Python, by name and state.
    fn native_threads(&self) -> String {
        let threads = &self.report.native_threads;
        if threads.is_empty() {
            return String::new();
        }
        let mut kinds: Vec<(String, Vec<u32>)> = Vec::new();
        for thread in threads {
            let kind = native_kind(thread);
            match kinds.iter_mut().find(|(known, _)| *known == kind) {
                Some((_, ids)) => ids.push(thread.thread_id),
                None => kinds.push((kind, vec![thread.thread_id])),
            }
        }
        let mut text = String::new();
        for (kind, ids) in kinds.iter().take(MOST_STACKS) {
            let line = match ids.as_slice() {
                [one] => format!("{one} {kind}"),
                [first, ..] => format!(
                    "{} like {first} {kind}",
                    format::count(ids.len() as u64, "thread", "threads")
                ),
                [] => continue,
            };
            let what = if self.report.error.is_some() {
                ""
            } else {
                "without Python: "
            };
            text.push_str(&self.layout.item(&format!("  {what}"), &line));
        }
        text.push_str(&self.more(kinds.len(), MOST_STACKS));
        text
    }
}

fn native_kind(thread: &NativeThread) -> String {
    let name = thread.name.as_deref().unwrap_or("?");
    let state = thread_state(&thread.kernel).join(", ");
    if state.is_empty() {
        name.to_owned()
    } else {
        format!("{name}, {state}")
    }
}

fn name(thread: &DumpThread) -> String {
    match (&thread.name, thread.thread_id) {
        (Some(name), Some(id)) => format!("{name} ({id})"),
        (Some(name), None) => name.clone(),
        (None, Some(id)) => format!("thread {id}"),
        (None, None) => "a thread".to_owned(),
    }
}

/// `in epoll_wait`, `running`.
fn thread_state(kernel: &DumpThreadState) -> Vec<String> {
    let call = kernel.syscall.as_ref();
    let word = match (kernel.run_state, call) {
        (DumpRunState::Runnable, None) => "running".to_owned(),
        (DumpRunState::Runnable, Some(call)) => format!("running in {call}"),
        (DumpRunState::Sleeping, Some(call)) => format!("in {call}"),
        (DumpRunState::Sleeping, None) => "asleep".to_owned(),
        (DumpRunState::DiskSleep, Some(call)) => format!("in {call}, waiting for a disk"),
        (DumpRunState::DiskSleep, None) => "waiting for a disk".to_owned(),
        (DumpRunState::Stopped, _) => "stopped".to_owned(),
        (DumpRunState::Ended, _) => "ended".to_owned(),
        (DumpRunState::Unknown, Some(call)) => format!("in {call}"),
        (DumpRunState::Unknown, None) => return Vec::new(),
    };
    vec![word]
}

fn roles(thread: &DumpThread) -> Vec<String> {
    let mut roles = Vec::new();
    if thread.holds_gil == Some(true) {
        roles.push("holds the interpreter's lock".to_owned());
    }
    if thread.interpreter != 0 {
        roles.push(format!("of subinterpreter {}", thread.interpreter));
    }
    if thread.loop_index.is_some() {
        roles.push("runs a loop".to_owned());
    }
    roles
}

/// What threads of one group have in common. Who holds the lock or runs a loop stands alone.
#[derive(PartialEq, Eq, Hash)]
struct Key<'a> {
    alone: Option<usize>,
    frames: &'a [DumpFrame],
    kernel: &'a DumpThreadState,
    interpreter: u64,
    problem: Option<&'a str>,
}

fn grouped(threads: &[DumpThread]) -> Vec<Vec<&DumpThread>> {
    let mut groups: Vec<Vec<&DumpThread>> = Vec::new();
    let mut known: HashMap<Key, usize> = HashMap::new();
    for (index, thread) in threads.iter().enumerate() {
        let is_special = thread.holds_gil == Some(true)
            || thread.loop_index.is_some()
            || thread.frames.is_empty();
        let key = Key {
            alone: is_special.then_some(index),
            frames: &thread.frames,
            kernel: &thread.kernel,
            interpreter: thread.interpreter,
            problem: thread.problem.as_deref(),
        };
        let group = *known.entry(key).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        groups[group].push(thread);
    }
    groups
}
