//! What a stack says of tokio.
//!
//! Told from the names of tokio's own functions, which a program has unless it was stripped; of inlined ones
//! debug information without full names has the file and the last part. A worker's stack is, from the outermost:
//! a thread of the blocking pool, the worker's loop, the poll of a task, the program. See `runtime/task` and
//! `runtime/scheduler` of tokio 1.x.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::proof::Polled;
use super::symbols::Placed;

/// The two kinds of tokio's runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// Several workers; each takes tasks from the others.
    MultiThread,
    /// One thread does it all.
    CurrentThread,
}

/// What tokio was doing on a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A future of the program was being polled.
    Polling {
        /// By what.
        flavour: Flavour,
        /// Which poll of which task it is: the same value for as long as it lasts, and another one for another
        /// task. A later poll of the same task has another value too on a worker of a multi-thread runtime whose
        /// state was found. `None` where it cannot be told, and for the future that the runtime was given to run.
        poll: Option<u64>,
    },
    /// Between two polls: it waits for work or takes some up.
    Between {
        /// What it is.
        flavour: Flavour,
    },
    /// Inside of `block_in_place`: another thread does the worker's work meanwhile.
    HandedOver,
}

/// A function: its whole name, and what is left of it where it was inlined: the end of its file, and its name.
struct Known {
    name: &'static str,
    file: &'static str,
    last: &'static str,
}

impl Known {
    fn is_at(&self, placed: &Placed) -> bool {
        let frame = &placed.frame;
        *frame.function == *self.name
            || (last_part(&frame.function) == self.last && frame.file.ends_with(self.file))
    }
}

const RUN_TASK: [(Flavour, Known); 2] = [
    (
        Flavour::MultiThread,
        Known {
            name: "tokio::runtime::scheduler::multi_thread::worker::Context::run_task",
            file: "runtime/scheduler/multi_thread/worker.rs",
            last: "run_task",
        },
    ),
    (
        Flavour::CurrentThread,
        Known {
            name: "tokio::runtime::scheduler::current_thread::Context::run_task",
            file: "runtime/scheduler/current_thread/mod.rs",
            last: "run_task",
        },
    ),
];

const WORKERS_LOOP: Known = Known {
    name: "tokio::runtime::scheduler::multi_thread::worker::run",
    file: "runtime/scheduler/multi_thread/worker.rs",
    last: "run",
};

/// Functions that a worker's loop is made of. An optimised program may have all of them in one.
const PARTS_OF_WORKERS_LOOP: &str = "tokio::runtime::scheduler::multi_thread::worker::Context::";

const POLLS: [Known; 2] = [
    Known {
        name: "tokio::runtime::task::harness::Harness::poll",
        file: "runtime/task/harness.rs",
        last: "poll",
    },
    Known {
        name: "tokio::runtime::task::raw::poll",
        file: "runtime/task/raw.rs",
        last: "poll",
    },
];

const HAND_OVERS: [Known; 2] = [
    Known {
        name: "tokio::runtime::scheduler::multi_thread::worker::block_in_place",
        file: "runtime/scheduler/multi_thread/worker.rs",
        last: "block_in_place",
    },
    Known {
        name: "tokio::task::blocking::block_in_place",
        file: "task/blocking.rs",
        last: "block_in_place",
    },
];

/// What only `block_in_place` calls, where itself left no name.
const OUTSIDE_OF_RUNTIME: Known = Known {
    name: "tokio::runtime::context::runtime_mt::exit_runtime",
    file: "runtime/context/runtime_mt.rs",
    last: "exit_runtime",
};

/// What the current-thread scheduler's functions begin with, and the end of their file.
const CURRENT_THREAD: &str = "tokio::runtime::scheduler::current_thread::";
const CURRENT_THREAD_FILE: &str = "runtime/scheduler/current_thread/mod.rs";

/// Functions that wait for events, of whichever driver.
const PARKS: [&str; 3] = ["::Driver::park", "::Driver::turn", "::Context::park"];
const PARK_FILES: [&str; 2] = ["runtime/driver.rs", "runtime/io/driver.rs"];

/// What tokio was doing; `None` where no loop of it is on the stack. `identify` tells which task it is, by the
/// place of the innermost function that polls one.
///
/// Without line tables `block_in_place` may have left no name. There a worker that a second thread refers to counts
/// as handed over.
pub(super) fn place_of(
    stack: &[Placed],
    identify: impl FnOnce(usize) -> Option<Polled>,
) -> Option<Place> {
    let is_handed_over = |inner: &[Placed]| {
        let is_it = |placed: &Placed| {
            HAND_OVERS.iter().any(|known| known.is_at(placed)) || OUTSIDE_OF_RUNTIME.is_at(placed)
        };
        inner.iter().any(is_it)
    };
    let Some((inner, flavour)) = below_run_task(stack) else {
        return without_task(stack);
    };
    if is_handed_over(inner) {
        return Some(Place::HandedOver);
    }
    let Some(poll) = inner.iter().position(is_poll).filter(|poll| *poll > 0) else {
        return Some(Place::Between { flavour });
    };
    let polled = identify(poll);
    let worker = polled.as_ref().and_then(|polled| polled.worker);
    let has_lines = inner.iter().any(|placed| placed.frame.line > 0);
    if !has_lines && worker.is_some_and(|worker| worker.is_shared) {
        return Some(Place::HandedOver);
    }
    Some(Place::Polling {
        flavour,
        poll: polled.map(|polled| poll_of(&polled)),
    })
}

fn poll_of(polled: &Polled) -> u64 {
    let progress = polled.worker.and_then(|worker| worker.progress);
    let mut hasher = DefaultHasher::new();
    (polled.identity, progress).hash(&mut hasher);
    hasher.finish()
}

/// What is below the outermost loop's call of a task: another runtime's loop further in is work of that task.
fn below_run_task(stack: &[Placed]) -> Option<(&[Placed], Flavour)> {
    let flavour_of = |placed: &Placed| {
        let mut known = RUN_TASK.iter().filter(|(_, known)| known.is_at(placed));
        known.next().map(|(flavour, _)| *flavour)
    };
    let outermost = stack
        .iter()
        .rposition(|placed| flavour_of(placed).is_some());
    let Some(outermost) = outermost else {
        return below_workers_loop(stack);
    };
    Some((stack.get(..outermost)?, flavour_of(stack.get(outermost)?)?))
}

/// Where the call was inlined without a trace: what polls a task is called through the task's table, so it is there.
fn below_workers_loop(stack: &[Placed]) -> Option<(&[Placed], Flavour)> {
    let outermost = stack.iter().rposition(is_workers_loop)?;
    let inner = stack.get(..outermost)?;
    inner
        .iter()
        .any(is_poll)
        .then_some((inner, Flavour::MultiThread))
}

fn is_poll(placed: &Placed) -> bool {
    POLLS.iter().any(|known| known.is_at(placed))
}

fn is_workers_loop(placed: &Placed) -> bool {
    WORKERS_LOOP.is_at(placed) || placed.frame.function.starts_with(PARTS_OF_WORKERS_LOOP)
}

/// A loop that runs no task: it is between two, or polls the future that it was given to run.
fn without_task(stack: &[Placed]) -> Option<Place> {
    if stack.iter().any(is_workers_loop) {
        let flavour = Flavour::MultiThread;
        return Some(Place::Between { flavour });
    }
    let is_scheduler = |placed: &Placed| {
        placed.frame.function.starts_with(CURRENT_THREAD)
            || placed.frame.file.ends_with(CURRENT_THREAD_FILE)
    };
    let innermost = stack.iter().position(is_scheduler)?;
    let flavour = Flavour::CurrentThread;
    let inner = stack.get(..innermost)?;
    if inner.is_empty() || stack.iter().take(innermost + 1).any(is_park) {
        return Some(Place::Between { flavour });
    }
    Some(Place::Polling {
        flavour,
        poll: None,
    })
}

fn is_park(placed: &Placed) -> bool {
    let frame = &placed.frame;
    PARKS.iter().any(|park| frame.function.contains(park))
        || PARK_FILES.iter().any(|file| frame.file.ends_with(file))
        || (frame.file.ends_with(CURRENT_THREAD_FILE)
            && last_part(&frame.function).starts_with("park"))
}

fn last_part(function: &str) -> &str {
    function.rsplit("::").next().unwrap_or(function)
}

#[cfg(test)]
mod tests {
    use super::super::NativeFrame;
    use super::*;

    /// Frames as `function file`, innermost first.
    fn stack(frames: &[&str]) -> Vec<Placed> {
        let placed = |(step, text): (usize, &&str)| {
            let (function, file) = text.split_once(' ').unwrap_or((text, ""));
            Placed {
                frame: NativeFrame {
                    file: file.into(),
                    line: 1,
                    function: function.into(),
                    is_inlined: false,
                },
                step,
            }
        };
        frames.iter().enumerate().map(placed).collect()
    }

    fn place(frames: &[&str]) -> Option<Place> {
        place_of(&stack(frames), |_| None)
    }

    const RUN: &str = "tokio::runtime::scheduler::multi_thread::worker::Context::run";
    const RUN_TASK: &str = "tokio::runtime::scheduler::multi_thread::worker::Context::run_task";
    const POLL: &str = "tokio::runtime::task::harness::Harness::poll";
    /// The outermost frames of every worker: it is a task of the blocking pool itself.
    const OUTER: [&str; 3] = [
        "tokio::runtime::scheduler::multi_thread::worker::run",
        POLL,
        "tokio::runtime::blocking::pool::Inner::run",
    ];

    fn on_worker(inner: &[&str]) -> Option<Place> {
        place(&[inner, &[RUN], &OUTER].concat())
    }

    #[test]
    fn a_worker_in_a_task_is_told_from_one_that_waits_for_one() {
        let flavour = Flavour::MultiThread;
        assert_eq!(
            on_worker(&["clock_nanosleep", "app::serve", POLL, RUN_TASK]),
            Some(Place::Polling {
                flavour,
                poll: None
            })
        );
        assert_eq!(
            on_worker(&["epoll_wait", "tokio::runtime::io::driver::Driver::turn"]),
            Some(Place::Between { flavour })
        );
        assert_eq!(on_worker(&[RUN_TASK]), Some(Place::Between { flavour }));
        assert_eq!(
            on_worker(&[POLL, RUN_TASK]),
            Some(Place::Between { flavour })
        );
    }

    #[test]
    fn inlined_functions_are_known_by_file_and_last_name() {
        let stack = [
            "nap /srv/app/src/main.rs",
            "poll /r/tokio-1.54.1/src/runtime/task/raw.rs",
            "run_task /r/tokio-1.54.1/src/runtime/scheduler/multi_thread/worker.rs",
        ];
        let flavour = Flavour::MultiThread;
        assert_eq!(
            place(&stack),
            Some(Place::Polling {
                flavour,
                poll: None
            })
        );
    }

    #[test]
    fn a_worker_is_known_where_its_loop_was_inlined_into_one_function() {
        let flavour = Flavour::MultiThread;
        let raw = "tokio::runtime::task::raw::poll";
        let inlined = |inner: &[&str]| {
            let outer = [
                OUTER[0],
                raw,
                "std::sys::backtrace::__rust_begin_short_backtrace",
            ];
            place(&[inner, &outer].concat())
        };
        let park = "tokio::runtime::scheduler::multi_thread::worker::Context::park_internal";
        assert_eq!(
            inlined(&["clock_nanosleep", "app::serve", raw]),
            Some(Place::Polling {
                flavour,
                poll: None
            })
        );
        assert_eq!(
            inlined(&[
                "epoll_wait",
                "tokio::runtime::io::driver::Driver::turn",
                park
            ]),
            Some(Place::Between { flavour })
        );
        assert_eq!(
            inlined(&["syscall", park]),
            Some(Place::Between { flavour })
        );
        assert_eq!(inlined(&[raw]), Some(Place::Between { flavour }));
    }

    #[test]
    fn a_thread_in_block_in_place_is_no_worker() {
        for hand_over in [
            "tokio::task::blocking::block_in_place",
            "block_in_place /r/tokio-1.54.1/src/task/blocking.rs",
            "tokio::runtime::context::runtime_mt::exit_runtime",
        ] {
            let inner = ["clock_nanosleep", hand_over, "app::serve", POLL, RUN_TASK];
            assert_eq!(on_worker(&inner), Some(Place::HandedOver), "{hand_over}");
        }
    }

    #[test]
    fn the_future_that_a_current_thread_runtime_was_given_is_polled_like_a_task() {
        let block_on = "tokio::runtime::scheduler::current_thread::CoreGuard::block_on";
        let flavour = Flavour::CurrentThread;
        assert_eq!(
            place(&["clock_nanosleep", "app::serve", block_on, "app::main"]),
            Some(Place::Polling {
                flavour,
                poll: None
            })
        );
        let park = "tokio::runtime::time::Driver::park_internal";
        assert_eq!(
            place(&["epoll_wait", park, block_on]),
            Some(Place::Between { flavour })
        );
        assert_eq!(place(&[block_on]), Some(Place::Between { flavour }));
    }

    #[test]
    fn another_program_has_no_place() {
        assert_eq!(place(&["epoll_wait", "main"]), None);
        assert_eq!(place(&[]), None);
        let pool = [
            "app::job",
            POLL,
            "tokio::runtime::blocking::pool::Inner::run",
        ];
        assert_eq!(place(&pool), None);
    }
}
