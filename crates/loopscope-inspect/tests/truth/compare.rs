//! A dump beside the truth: task by task, thread by thread, loop by loop. Collects what differs.

use std::collections::{BTreeMap, BTreeSet};

use loopscope_inspect::{
    Dump, DumpedLoop, DumpedTask, DumpedThread, Frame, LoopState, Orphan, TaskIndex, TaskState,
    WaitTarget,
};

use crate::target::{Expected, TrueFrame, TrueLoop, TrueTask, TrueThread, Truth, Waits};

/// Fails with all differences between a dump and the truth.
pub(crate) fn assert_true(dump: &Dump, truth: &Truth) {
    let mut differences = Differences::default();
    differences.check("problems", &dump.problems, &Vec::<String>::new());
    compare_tasks(dump, truth, &mut differences);
    for thread in &truth.threads {
        let found = dump
            .threads
            .iter()
            .find(|found| found.tid == Some(thread.tid));
        match found {
            Some(found) => compare_thread(found, thread, &mut differences),
            None => differences.say(format!("thread {} is missing", thread.name)),
        }
    }
    for event_loop in &truth.loops {
        let found = dump
            .loops
            .iter()
            .find(|found| found.address == event_loop.address);
        match found {
            Some(found) => compare_loop(dump, found, event_loop, &mut differences),
            None => differences.say(format!("loop {:#x} is missing", event_loop.address)),
        }
    }
    let Differences { found } = differences;
    assert!(
        found.is_empty(),
        "{} differences:\n{}",
        found.len(),
        found.join("\n")
    );
}

#[derive(Default)]
struct Differences {
    found: Vec<String>,
}

impl Differences {
    fn say(&mut self, difference: String) {
        self.found.push(difference);
    }

    fn check<T: std::fmt::Debug, U: std::fmt::Debug>(&mut self, what: &str, found: &T, wanted: &U)
    where
        T: PartialEq<U>,
    {
        if found != wanted {
            self.say(format!("{what}: found {found:?}, wanted {wanted:?}"));
        }
    }
}

fn compare_tasks(dump: &Dump, truth: &Truth, differences: &mut Differences) {
    let by_address: BTreeMap<u64, &DumpedTask> =
        dump.tasks.iter().map(|task| (task.address, task)).collect();
    differences.check("tasks listed twice", &by_address.len(), &dump.tasks.len());
    for task in &truth.tasks {
        match by_address.get(&task.address) {
            Some(found) => compare_task(dump, found, task, differences),
            // Tasks of 3.14 and later leave the lists when they have ended.
            None if is_ended(task) => {}
            None => differences.say(format!("task {} is missing", task.name)),
        }
    }
    let known: BTreeSet<u64> = truth.tasks.iter().map(|task| task.address).collect();
    let pending = dump
        .tasks
        .iter()
        .filter(|task| matches!(task.state, TaskState::Pending | TaskState::Running));
    for task in pending.filter(|task| !known.contains(&task.address)) {
        differences.say(format!("task {:?} is made up", task.name));
    }
}

fn is_ended(task: &TrueTask) -> bool {
    task.state.first() != Some(&Some("pending".to_owned()))
}

fn compare_task(dump: &Dump, found: &DumpedTask, task: &TrueTask, differences: &mut Differences) {
    let name = &task.name;
    let mut check = |what: &str, found: String, wanted: String| {
        differences.check(&format!("{name}: {what}"), &found, &wanted);
    };
    check(
        "name",
        format!("{:?}", found.name),
        format!("{:?}", Some(name)),
    );
    check("type", found.type_name.to_string(), task.type_name.clone());
    check("state", state_text(found), true_state_text(task));
    let event_loop = found.event_loop.and_then(|index| dump.event_loop(index));
    let loop_address = event_loop.map(|event_loop| event_loop.address);
    check(
        "loop",
        format!("{loop_address:?}"),
        format!("{:?}", Some(task.event_loop)),
    );
    check(
        "cancelling",
        found.is_cancelling.to_string(),
        task.cancelling.to_string(),
    );
    if !task.running {
        check(
            "chain",
            frames_text(&found.await_chain),
            true_frames_text(&task.chain),
        );
    }
    check("problem", format!("{:?}", found.problem), "None".to_owned());
    if let Some(expected) = &task.expected {
        compare_waits(dump, found, name, expected, differences);
    }
}

fn compare_waits(
    dump: &Dump,
    found: &DumpedTask,
    name: &str,
    expected: &Expected,
    differences: &mut Differences,
) {
    if let Some(parents) = &expected.parents {
        let what = format!("{name}: awaited by");
        differences.check(&what, &names(dump, &found.awaited_by), parents);
    }
    let orphan = found.orphan.map(orphan_text);
    differences.check(
        &format!("{name}: orphan"),
        &orphan,
        &expected.orphan.as_deref(),
    );
    let Some(waits) = &expected.waits else {
        return;
    };
    let Some(wait) = &found.waits_for else {
        return differences.say(format!("{name}: waits for nothing"));
    };
    differences.check(
        &format!("{name}: waits for"),
        &target(dump, &wait.target),
        waits,
    );
    let primitive = wait.primitive.as_ref();
    let kind = primitive.map(|primitive| &*primitive.kind);
    differences.check(
        &format!("{name}: primitive"),
        &kind,
        &expected.primitive.as_deref(),
    );
    let detail = primitive.and_then(|primitive| primitive.detail.as_deref());
    if expected.detail.is_some() {
        differences.check(
            &format!("{name}: detail"),
            &detail,
            &expected.detail.as_deref(),
        );
    }
    let event_loop = found.event_loop.and_then(|index| dump.event_loop(index));
    let tells_timers = event_loop.is_some_and(|event_loop| event_loop.timers.is_some());
    differences.check(
        &format!("{name}: due"),
        &wait.due_seconds.is_some(),
        &(tells_timers && expected.due.unwrap_or(false)),
    );
}

fn target(dump: &Dump, target: &WaitTarget) -> Waits {
    match target {
        WaitTarget::Future { .. } => Waits::One("future".to_owned()),
        WaitTarget::FirstStep => Waits::One("first step".to_owned()),
        WaitTarget::NextStep => Waits::One("next step".to_owned()),
        WaitTarget::Unknown => Waits::One("unknown".to_owned()),
        WaitTarget::Task(task) => Waits::One(names(dump, &[*task]).concat()),
        WaitTarget::Tasks(tasks) => Waits::Several(names(dump, tasks)),
    }
}

fn names(dump: &Dump, tasks: &[TaskIndex]) -> Vec<String> {
    let named = |index: &TaskIndex| dump.task(*index)?.name.clone();
    let mut names: Vec<String> = tasks.iter().filter_map(named).collect();
    names.sort();
    names
}

fn orphan_text(orphan: Orphan) -> &'static str {
    match orphan {
        Orphan::LoopClosed => "loop closed",
        Orphan::LoopNotRunning => "loop not running",
        Orphan::WaitsOnClosedLoop => "waits on closed loop",
    }
}

fn state_text(task: &DumpedTask) -> String {
    match &task.state {
        TaskState::Pending => "pending".to_owned(),
        TaskState::Running => "running".to_owned(),
        TaskState::Done => "done".to_owned(),
        TaskState::Cancelled => "cancelled".to_owned(),
        TaskState::Failed { exception, message } => format!("failed {exception} {message:?}"),
    }
}

fn true_state_text(task: &TrueTask) -> String {
    match task.state.as_slice() {
        [Some(state), exception, message] => format!(
            "{state} {} {message:?}",
            exception.as_deref().unwrap_or_default()
        ),
        _ if task.running => "running".to_owned(),
        [state, ..] => state.clone().unwrap_or_default(),
        [] => String::new(),
    }
}

fn frames_text(frames: &[Frame]) -> String {
    let text = |frame: &Frame| format!("{} {}:{}", frame.function, frame.file, frame.line);
    frames.iter().map(text).collect::<Vec<_>>().join("\n      ")
}

fn true_frames_text(frames: &[TrueFrame]) -> String {
    let text = |(file, function, line): &TrueFrame| format!("{function} {file}:{line}");
    frames.iter().map(text).collect::<Vec<_>>().join("\n      ")
}

fn compare_thread(found: &DumpedThread, thread: &TrueThread, differences: &mut Differences) {
    let name = &thread.name;
    differences.check("thread's name", &found.name.as_ref(), &Some(name));
    differences.check(
        &format!("{name}: frames"),
        &frames_text(&found.frames),
        &true_frames_text(&thread.frames),
    );
    differences.check(&format!("{name}: problem"), &found.problem, &None::<String>);
}

fn compare_loop(dump: &Dump, found: &DumpedLoop, truth: &TrueLoop, differences: &mut Differences) {
    let name = format!("loop {:#x}", truth.address);
    let what = |part: &str| format!("{name}: {part}");
    // A type of C code has its module in its name or not; both are true.
    let is_named = truth.type_name.ends_with(&*found.type_name);
    differences.check(
        &what(&format!("type {}", found.type_name)),
        &is_named,
        &true,
    );
    differences.check(&what("runs"), &found.thread.is_some(), &truth.running);
    // What uvloop says of being closed is not read.
    if truth.timers.is_some() {
        let is_closed = found.state == LoopState::Closed;
        differences.check(&what("closed"), &is_closed, &truth.closed);
    }
    if truth.ready.is_some() {
        differences.check(&what("ready"), &found.ready, &truth.ready);
    }
    differences.check(&what("timers"), &found.timers, &truth.timers);
    let next = found
        .next_timer_seconds
        .map(|in_seconds| in_seconds + dump.taken_nanos as f64 / 1e9);
    let is_near = match (next, truth.next_timer) {
        (Some(next), Some(truth)) => (next - truth).abs() < 1e-3,
        (next, truth) => next.is_none() && truth.is_none(),
    };
    differences.check(
        &what(&format!("next timer {next:?} {:?}", truth.next_timer)),
        &is_near,
        &true,
    );
    differences.check(&what("problem"), &found.problem, &None::<String>);
}
