//! From looks at one busy period to a diagnosis: the cause, the line to blame, the frames, the shares.
//!
//! A pure function of what was seen; called again with each look, so it must give the same answer for
//! the same looks. The order of the causes matters: what is not the code's fault is ruled out first.

mod callbacks;
mod lock;
mod stacks;

use crate::{
    advice::{self, Evidence},
    config::Config,
    diagnosis::Diagnosis,
    fingerprint::qualified,
    in_app::{inside_loop, is_in_app},
    looks::{Look, Looks},
    observation::{AwaitingTask, Frame, Gil, RunState, TaskInfo, ThreadState},
    report::{self, Advice, CallbackShare, Culprit, ReportFrame, StallCause, TaskRef},
    time::Nanos,
};

use self::{
    callbacks::Run,
    stacks::{Blame, blame, blame_frames},
};

/// Frames in the fingerprint's chain; deeper ones than these would tell callers apart, not faults.
const MAX_CHAIN: usize = 16;
/// Callbacks that an overloaded loop's time is shown to be shared by.
const MAX_SHARES: usize = 8;

/// Everything that a cause is told from.
pub(crate) struct Case<'a> {
    pub(crate) looks: &'a Looks,
    pub(crate) from: Nanos,
    pub(crate) until: Nanos,
    /// How long the process was stopped within the period.
    pub(crate) stopped: Nanos,
    /// How long the garbage collector paused the process within the period.
    pub(crate) gc_paused: Nanos,
    /// How late the observer itself looked within the period.
    pub(crate) observer_late: Nanos,
    /// Why the process's stacks cannot be read.
    pub(crate) uninspectable: Option<&'a str>,
    pub(crate) config: &'a Config,
}

/// Tells the cause.
pub(crate) fn diagnose(case: &Case) -> Diagnosis {
    let looks = case.looks.as_slice();
    if is_suspended(case) {
        return bystander(StallCause::Suspended, looks);
    }
    if is_starved(case) {
        return bystander(StallCause::CpuStarved, looks);
    }
    if is_gc_pause(case) {
        return gc_pause(case);
    }
    let framed: Vec<&Look> = looks.iter().filter(|look| !look.stack.is_empty()).collect();
    if let Some(holder) = lock::holder(case) {
        return lock_wait(&holder, looks);
    }
    let share = case.config.single_callback_share;
    match callbacks::dominant_run(&framed, case.from, share) {
        None => unknown(case),
        Some(Run::Single(run)) => one_call(&run, blame(&run)),
        // Many callbacks that all wait at the same line are that line's fault, not one of their number.
        Some(Run::Many) => match callbacks::waiting_at_one_line(&framed, share) {
            Some(run) => one_call(&run, run.last().and_then(|look| blame_frames(&look.stack))),
            None => overload(&framed),
        },
    }
}

/// What one look at a thread that is kept from its loop tells. No more than a place: whether it stood there
/// all the while takes several looks.
pub(crate) struct OneLook {
    /// The line to blame, where it is the application's own.
    pub(crate) culprit: Option<Culprit>,
    /// That line, or else the innermost one inside the loop.
    pub(crate) at: Option<Frame>,
    /// The call on that line.
    pub(crate) call: Option<String>,
    /// What to do about it.
    pub(crate) advice: Advice,
}

/// Reads one stack, innermost first.
pub(crate) fn of_one_look(stack: &[Frame], thread: &ThreadState) -> OneLook {
    one_look(stack, |inside, depth| {
        advice::for_call(&Evidence::new(inside, depth, thread, &[]))
    })
}

/// Reads the stack of the thread whose lock is waited for.
pub(crate) fn of_lock_holder(stack: &[Frame]) -> OneLook {
    one_look(stack, advice::for_lock_holder)
}

/// Whether a thread stands between its poll and the first callback.
pub(crate) fn is_after_poll(stack: &[Frame]) -> bool {
    lock::is_after_poll(stack)
}

fn one_look(
    stack: &[Frame],
    advise: impl FnOnce(&[Frame], usize) -> (Option<String>, Advice),
) -> OneLook {
    let found = blame_frames(stack);
    let inside = inside_loop(stack);
    let advised = found
        .as_ref()
        .map(|found| advise(inside, found.depth_in(inside)));
    let (call, advice) = advised.unwrap_or_else(|| (None, advice::for_cause(StallCause::Unknown)));
    OneLook {
        culprit: found.as_ref().and_then(Blame::culprit),
        at: found.map(Blame::into_frame),
        call,
        advice,
    }
}

fn is_suspended(case: &Case) -> bool {
    let length = case.until.since(case.from).0;
    let stopped = |look: &&Look| look.thread.run_state == RunState::Stopped;
    let looks = case.looks.as_slice();
    let seen_stopped = stacks::weight(looks.iter().filter(stopped));
    (length > 0 && case.stopped.0 >= length.div_ceil(2))
        || seen_stopped * 2 > stacks::weight(looks.iter())
}

/// The collector runs on whichever thread happens to cross its threshold and keeps all others waiting.
fn is_gc_pause(case: &Case) -> bool {
    let length = case.until.since(case.from).0;
    length > 0 && case.gc_paused.0 >= length.div_ceil(2)
}

/// Where the collector was started from is chance: it is shown, and it neither groups nor gets blamed.
fn gc_pause(case: &Case) -> Diagnosis {
    let paused = crate::summary::duration(case.gc_paused);
    Diagnosis {
        note: Some(format!("the garbage collector paused it for {paused}")),
        gil_held: Some(true),
        culprit: None,
        ..bystander(StallCause::GcPause, case.looks.as_slice())
    }
}

fn is_starved(case: &Case) -> bool {
    let looks = case.looks.as_slice();
    let (Some(first), Some(last)) = (looks.first(), looks.last()) else {
        let length = case.until.since(case.from).0;
        return length > 0 && case.observer_late.0 >= length.div_ceil(2);
    };
    let wall = last.at.since(first.at).0 as f64;
    let waited = waited_nanos(looks, first, last) as f64;
    if wall <= 0.0 || waited < wall * case.config.starved_share {
        return false;
    }
    // What would have been a stall with a processor of its own is the code's doing all the same.
    let length = case.until.since(case.from).0 as f64;
    length * (1.0 - waited / wall) < case.config.stall_threshold.0 as f64
}

/// How long the thread waited for a processor between two looks.
///
/// The kernel books the waiting only when it is over. Of a thread that was ready to run at each look, the
/// time that it was not on a processor is waiting too.
fn waited_nanos(looks: &[Look], first: &Look, last: &Look) -> u64 {
    let booked = last
        .thread
        .runqueue_nanos
        .saturating_sub(first.thread.runqueue_nanos);
    let always_ready = looks
        .iter()
        .all(|look| look.thread.run_state == RunState::Runnable && look.thread.cpu_nanos > 0);
    if !always_ready {
        return booked;
    }
    let ran = last.thread.cpu_nanos.saturating_sub(first.thread.cpu_nanos);
    booked.max(last.at.since(first.at).0.saturating_sub(ran))
}

/// The code only happened to be there: it is shown, and it neither groups nor gets advice.
fn bystander(cause: StallCause, looks: &[Look]) -> Diagnosis {
    let last = looks.iter().rev().find(|look| !look.stack.is_empty());
    let stack = last.map_or(&[][..], |look| &look.stack);
    let found = last.and_then(|look| blame(&[look]));
    Diagnosis {
        cause: Some(cause),
        culprit: found.and_then(|found| found.culprit()),
        frames: report_frames(stack),
        task: last.and_then(task_ref),
        advice: advice::for_cause(cause),
        ..Diagnosis::default()
    }
}

/// What there is to say of a loop whose process is stopped.
pub(crate) fn suspended() -> Diagnosis {
    bystander(StallCause::Suspended, &[])
}

fn unknown(case: &Case) -> Diagnosis {
    let failed = case
        .looks
        .last_error()
        .or(case.uninspectable)
        .map(str::to_owned);
    Diagnosis {
        cause: Some(StallCause::Unknown),
        task: case.looks.as_slice().last().and_then(task_ref),
        advice: advice::for_cause(StallCause::Unknown),
        note: Some(failed.unwrap_or_else(|| unexplained(case).to_owned())),
        ..Diagnosis::default()
    }
}

fn unexplained(case: &Case) -> &'static str {
    if case.looks.is_empty() {
        "seen only after it ended"
    } else {
        "the stacks of such a program are not read"
    }
}

/// The looks found one call, whose frame to blame is given.
fn one_call(run: &[&Look], found: Option<Blame>) -> Diagnosis {
    let shown = stacks::representative(run, found.as_ref());
    let advised = found.as_ref().map(|found| {
        let stack = inside_loop(&shown.stack);
        advice::for_call(&Evidence::new(
            stack,
            found.depth_in(stack),
            &shown.thread,
            run,
        ))
    });
    let (call, mut advice) =
        advised.unwrap_or_else(|| (None, advice::for_cause(StallCause::Unknown)));
    advice.steps.extend(without_lines(&shown.stack));
    Diagnosis {
        cause: Some(StallCause::BlockingCall),
        gil_held: gil_held(run),
        culprit: found.as_ref().and_then(Blame::culprit),
        frames: report_frames(&shown.stack),
        task: task_ref(shown),
        advice,
        chain: chain(call.as_deref(), &shown.stack, found.as_ref()),
        call,
        ..Diagnosis::default()
    }
}

/// What is missing where a program was compiled without the lines of its source.
fn without_lines(stack: &[Frame]) -> Option<String> {
    let has_none = !stack.is_empty() && stack.iter().all(|frame| frame.file.is_empty());
    has_none.then(|| {
        "to see the line: the program has no line tables, `debug = \"line-tables-only\"` in its \
         Cargo profile adds them"
            .to_owned()
    })
}

fn lock_wait(holder: &lock::Holder, looks: &[Look]) -> Diagnosis {
    let found = blame_frames(holder.frames);
    let stack = inside_loop(holder.frames);
    let own = looks.last();
    let advised = found
        .as_ref()
        .map(|found| advice::for_lock_holder(stack, found.depth_in(stack)));
    let (call, advice) = advised.unwrap_or_else(|| (None, advice::for_cause(StallCause::Unknown)));
    Diagnosis {
        cause: Some(StallCause::BlockingCall),
        gil_held: Some(true),
        culprit: found.as_ref().and_then(Blame::culprit),
        frames: report_frames(holder.frames),
        task: own.and_then(task_ref),
        advice,
        lock_holder: Some(holder.thread_id),
        chain: chain(call.as_deref(), holder.frames, found.as_ref()),
        call,
        ..Diagnosis::default()
    }
}

fn overload(framed: &[&Look]) -> Diagnosis {
    let mut shares = stacks::shares(framed);
    shares.truncate(MAX_SHARES);
    let largest = shares.first();
    let shown = largest.and_then(|share| {
        framed
            .iter()
            .rev()
            .find(|look| stacks::callback_frame(look).is_some_and(|f| is_at(f, share)))
    });
    let culprit = largest.map(|share| Culprit {
        file: share.file.clone(),
        line: share.line,
        function: share.function.clone(),
    });
    Diagnosis {
        cause: Some(StallCause::Overload),
        gil_held: gil_held(framed),
        chain: largest
            .map(|share| qualified(&share.file, &share.function))
            .into_iter()
            .collect(),
        culprit,
        frames: shown.map_or_else(Vec::new, |look| report_frames(&look.stack)),
        task: shown.and_then(|look| task_ref(look)),
        shares,
        advice: advice::for_cause(StallCause::Overload),
        ..Diagnosis::default()
    }
}

fn is_at(frame: &Frame, share: &CallbackShare) -> bool {
    *frame.file == *share.file && *frame.function == *share.function
}

/// Whether the interpreter's lock was held by the thread itself in most looks.
fn gil_held(looks: &[&Look]) -> Option<bool> {
    let known = looks
        .iter()
        .copied()
        .filter(|look| look.gil != Gil::Unknown);
    let own = looks.iter().copied().filter(|look| look.gil == Gil::Own);
    let (known, own) = (stacks::weight(known), stacks::weight(own));
    (known > 0).then_some(own * 2 > known)
}

/// What a fingerprint is made of: the call to blame where it is known, since one function may make
/// several that block, then the functions.
fn chain(call: Option<&str>, stack: &[Frame], found: Option<&Blame>) -> Vec<String> {
    let call = call.map(|call| format!("call {call}"));
    call.into_iter().chain(functions(stack, found)).collect()
}

/// The application's own functions from the culprit outward, or the innermost ones of libraries where
/// none of its own is on the stack.
fn functions(stack: &[Frame], found: Option<&Blame>) -> Vec<String> {
    let inside = inside_loop(stack);
    let from = found.map_or(0, |found| found.depth_in(inside));
    chain_from(inside, from)
}

/// The same for a stack that no loop's driver is on.
pub(crate) fn chain_of(stack: &[Frame]) -> Vec<String> {
    chain_from(stack, 0)
}

fn chain_from(inside: &[Frame], from: usize) -> Vec<String> {
    let outward = inside.get(from..).unwrap_or_default();
    let own = outward.iter().filter(|frame| is_in_app(frame));
    let names = |frame: &Frame| qualified(&frame.file, &frame.function);
    let chain: Vec<String> = own.map(names).take(MAX_CHAIN).collect();
    if chain.is_empty() {
        inside.iter().map(names).take(3).collect()
    } else {
        chain
    }
}

/// A stack as the report shows it.
pub(crate) fn report_frames(stack: &[Frame]) -> Vec<ReportFrame> {
    stack.iter().map(report_frame).collect()
}

fn report_frame(frame: &Frame) -> ReportFrame {
    ReportFrame {
        file: frame.file.to_string(),
        line: frame.line,
        function: frame.function.to_string(),
        in_app: is_in_app(frame),
    }
}

fn task_ref(look: &Look) -> Option<TaskRef> {
    look.task.as_deref().map(shown_task)
}

/// A task as a report shows it.
pub(crate) fn shown_task(task: &TaskInfo) -> TaskRef {
    let awaiting = |task: &AwaitingTask| report::AwaitingTask {
        name: task.name.to_string(),
        level: task.level,
        await_chain: report_frames(&task.await_chain),
    };
    TaskRef {
        name: task.name.to_string(),
        await_chain: report_frames(&task.await_chain),
        awaited_by: task.awaited_by.iter().map(awaiting).collect(),
    }
}
