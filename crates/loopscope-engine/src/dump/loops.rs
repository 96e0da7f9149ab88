//! Each loop's state with the line to blame, told from one look.
//!
//! A recording says to the nanosecond since when a loop has been away from its poll. Without one the
//! loop's own timers tell: a loop that turns is never late for a timer by more than a turn, so one that is
//! overdue says for how long the loop has not turned at least.

use std::sync::Arc;

use loopscope_inspect::kernel::RunState as KernelState;
use loopscope_inspect::{Dump, DumpedLoop, DumpedThread, Frame, LoopState};

use super::report::{Address, DumpFrame, DumpGil, DumpLoop, DumpLoopState};
use super::surroundings::{RecordedLoop, Surroundings};
use crate::cause::{self, OneLook};
use crate::config::Config;
use crate::in_app::is_in_app_file;
use crate::observation::{Frame as EngineFrame, RunState, ThreadState};

/// Tells the functions that a line of a file calls, without those whose result is awaited.
pub type CallsOnLine<'a> = &'a mut dyn FnMut(&str, u32) -> Vec<Arc<str>>;

/// A loop and why it does not turn.
pub(super) struct Looked {
    pub(super) shown: DumpLoop,
    /// Of a loop that is stalled or blocked.
    pub(super) stuck: Option<Stuck>,
}

/// Why a loop does not turn.
pub(super) struct Stuck {
    pub(super) look: OneLook,
    pub(super) gil: Option<DumpGil>,
    /// The thread is back from its poll and waits for the interpreter's lock: what the lock's holder does
    /// is to blame, and `look` is at that.
    pub(super) waits_for_gil: bool,
}

/// Looks at all loops.
pub(super) fn look(
    dump: &Dump,
    surroundings: &Surroundings,
    config: &Config,
    calls_on_line: CallsOnLine<'_>,
) -> Vec<Looked> {
    let mut tasks = vec![0_u64; dump.loops.len()];
    for index in dump.tasks.iter().filter_map(|task| task.event_loop) {
        if let Some(count) = tasks.get_mut(index.0) {
            *count += 1;
        }
    }
    let one = |(found, tasks): (&DumpedLoop, u64)| {
        look_at(dump, found, tasks, surroundings, config, calls_on_line)
    };
    dump.loops.iter().zip(tasks).map(one).collect()
}

fn look_at(
    dump: &Dump,
    found: &DumpedLoop,
    tasks: u64,
    surroundings: &Surroundings,
    config: &Config,
    calls_on_line: CallsOnLine<'_>,
) -> Looked {
    let thread = found.thread.and_then(|index| dump.thread(index));
    let busy = busy(dump, found, thread, &surroundings.recorded);
    let state = state(found, busy, surroundings.process.is_stopped, config);
    let LoopState::Running { task } = found.state else {
        return Looked {
            shown: shown(found, tasks, state, busy),
            stuck: None,
        };
    };
    let away = thread.map(|thread| stuck(dump, thread, calls_on_line));
    let at = away
        .as_ref()
        .filter(|away| !away.waits_for_gil)
        .and_then(|away| away.look.at.as_ref());
    Looked {
        shown: DumpLoop {
            task_index: task.map(|task| task.0),
            at: at.map(DumpFrame::from),
            ..shown(found, tasks, state, busy)
        },
        stuck: away.filter(|_| matches!(state, DumpLoopState::Stalled | DumpLoopState::Blocked)),
    }
}

fn shown(found: &DumpedLoop, tasks: u64, state: DumpLoopState, busy: Option<Busy>) -> DumpLoop {
    DumpLoop {
        address: Address(found.address),
        type_name: Arc::clone(&found.type_name),
        thread_index: found.thread.map(|index| index.0),
        state,
        task_index: None,
        busy_seconds: busy.map(|busy| busy.seconds),
        busy_is_exact: busy.is_some_and(|busy| busy.is_exact),
        at: None,
        ready: found.ready,
        timers: found.timers,
        next_timer_seconds: found.next_timer_seconds,
        tasks,
        problem: found.problem.clone(),
    }
}

/// For how long a loop has been away from its poll.
#[derive(Clone, Copy)]
struct Busy {
    seconds: f64,
    is_exact: bool,
}

fn busy(
    dump: &Dump,
    found: &DumpedLoop,
    thread: Option<&DumpedThread>,
    recorded: &[RecordedLoop],
) -> Option<Busy> {
    if !matches!(found.state, LoopState::Running { .. }) {
        return None;
    }
    let tid = thread.and_then(|thread| thread.tid);
    // A loop that was left open on the same thread has not been heard of for longer.
    let own = recorded
        .iter()
        .filter(|recorded| Some(recorded.thread_id) == tid)
        .max_by_key(|recorded| recorded.last_beat_nanos);
    // The recording was read after the dump: a period that began later is another one.
    let since = own
        .and_then(|recorded| recorded.busy_since_nanos)
        .filter(|since| *since <= dump.taken_nanos);
    let exact = since.map(|since| Busy {
        seconds: (dump.taken_nanos - since) as f64 / 1e9,
        is_exact: true,
    });
    exact.or_else(|| {
        let overdue = -found.next_timer_seconds?;
        (overdue > 0.0).then_some(Busy {
            seconds: overdue,
            is_exact: false,
        })
    })
}

fn state(
    found: &DumpedLoop,
    busy: Option<Busy>,
    is_stopped: bool,
    config: &Config,
) -> DumpLoopState {
    let lasts = |threshold: crate::time::Nanos| {
        busy.is_some_and(|busy| busy.seconds >= threshold.as_secs_f64())
    };
    match found.state {
        LoopState::Idle => DumpLoopState::Idle,
        LoopState::NotRunning => DumpLoopState::NotRunning,
        LoopState::Closed => DumpLoopState::Closed,
        LoopState::Unknown => DumpLoopState::Unknown,
        LoopState::Running { .. } if is_stopped => DumpLoopState::Suspended,
        LoopState::Running { .. } if lasts(config.blocked_threshold) => DumpLoopState::Blocked,
        LoopState::Running { .. } if lasts(config.stall_threshold) => DumpLoopState::Stalled,
        LoopState::Running { .. } => DumpLoopState::Running,
    }
}

fn stuck(dump: &Dump, thread: &DumpedThread, calls_on_line: CallsOnLine<'_>) -> Stuck {
    let holder = lock_holder(dump, thread);
    let own = engine_frames(&thread.frames, calls_on_line);
    if let Some(index) = holder.filter(|_| cause::is_after_poll(&own)) {
        let holder = &dump.threads[index];
        let frames = engine_frames(&holder.frames, calls_on_line);
        return Stuck {
            look: cause::of_lock_holder(&frames),
            gil: Some(held_by(index, holder)),
            waits_for_gil: true,
        };
    }
    let gil = match (thread.holds_gil, holder) {
        (Some(true), _) => Some(DumpGil::Own),
        (_, Some(index)) => Some(held_by(index, &dump.threads[index])),
        (Some(false), None) if nobody_holds(dump, thread) => Some(DumpGil::Free),
        _ => None,
    };
    Stuck {
        look: cause::of_one_look(&own, &thread_state(thread)),
        gil,
        waits_for_gil: false,
    }
}

/// Another thread of the same interpreter that holds its lock.
fn lock_holder(dump: &Dump, thread: &DumpedThread) -> Option<usize> {
    dump.threads.iter().position(|other| {
        other.interpreter == thread.interpreter
            && other.holds_gil == Some(true)
            && !std::ptr::eq(other, thread)
    })
}

fn nobody_holds(dump: &Dump, thread: &DumpedThread) -> bool {
    let mut same = dump
        .threads
        .iter()
        .filter(|other| other.interpreter == thread.interpreter);
    same.all(|other| other.holds_gil == Some(false))
}

fn held_by(thread_index: usize, thread: &DumpedThread) -> DumpGil {
    DumpGil::Thread {
        thread_index,
        at: innermost(thread),
    }
}

/// A thread's innermost frame of the application's own code, or its innermost frame.
fn innermost(thread: &DumpedThread) -> Option<DumpFrame> {
    let own = thread
        .frames
        .iter()
        .find(|frame| is_in_app_file(&frame.file));
    own.or(thread.frames.first()).map(DumpFrame::from)
}

fn engine_frames(frames: &[Frame], calls_on_line: CallsOnLine<'_>) -> Vec<EngineFrame> {
    let frame = |frame: &Frame| EngineFrame {
        calls: calls_on_line(&frame.file, frame.line),
        file: Arc::clone(&frame.file),
        line: frame.line,
        function: Arc::clone(&frame.function),
        is_coroutine: frame.is_coroutine,
    };
    frames.iter().map(frame).collect()
}

fn thread_state(thread: &DumpedThread) -> ThreadState {
    let kernel = &thread.kernel;
    ThreadState {
        run_state: match kernel.run_state {
            KernelState::Runnable => RunState::Runnable,
            KernelState::Sleeping => RunState::Sleeping,
            KernelState::DiskSleep => RunState::DiskSleep,
            KernelState::Stopped => RunState::Stopped,
            KernelState::Zombie | KernelState::Unknown => RunState::Unknown,
        },
        syscall: kernel.syscall,
        awaits_gil: false,
        cpu_nanos: kernel.cpu_nanos.unwrap_or(0),
        runqueue_nanos: kernel.runqueue_nanos.unwrap_or(0),
    }
}
