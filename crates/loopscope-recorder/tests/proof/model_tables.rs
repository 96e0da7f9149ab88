//! Any order of spawns, ends and calls reads back as a plain model of them says.

use loopscope_recorder::layout::{CallKind, LoopOwner};
use loopscope_recorder::reader::{CallState, TaskSiteState};
use loopscope_recorder::writer::{
    CallEnd, CallOutcome, CallSpec, Recording, TaskOutcome, TaskSiteSpec,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::everything::read_everything;
use crate::{MILLIS, STALL_NANOS, create, scratch};

const NAMES: [&str; 4] = ["Bot.poll", "Bot.send", "Agent.run", "main"];

/// One call of the writer; `which` picks the site or the tracked call.
#[derive(Clone, Debug)]
enum Step {
    Spawn { which: usize, tasks: u64 },
    End { which: usize, outcome: TaskOutcome },
    Retrieve { which: usize },
    Start { which: usize },
    Finish { which: usize, end: CallEnd },
}

fn any_step() -> impl Strategy<Value = Step> {
    let which = 0..NAMES.len();
    let outcome = prop_oneof![
        Just(TaskOutcome::Done),
        Just(TaskOutcome::Failed),
        Just(TaskOutcome::Cancelled)
    ];
    prop_oneof![
        (which.clone(), 1..5u64).prop_map(|(which, tasks)| Step::Spawn { which, tasks }),
        (which.clone(), outcome).prop_map(|(which, outcome)| Step::End { which, outcome }),
        which.clone().prop_map(|which| Step::Retrieve { which }),
        which.clone().prop_map(|which| Step::Start { which }),
        (which, any_end()).prop_map(|(which, end)| Step::Finish { which, end }),
    ]
}

fn any_end() -> impl Strategy<Value = CallEnd> {
    let nanos = prop_oneof![
        0..2000u64,
        STALL_NANOS - 2..STALL_NANOS + 2,
        20 * STALL_NANOS - 2..20 * STALL_NANOS + 2
    ];
    let outcome = prop_oneof![
        Just(CallOutcome::Ok),
        Just(CallOutcome::Failed),
        Just(CallOutcome::Cancelled)
    ];
    (nanos, outcome, any::<bool>()).prop_map(|(nanos, outcome, held_loop)| CallEnd {
        nanos,
        outcome,
        held_loop,
    })
}

/// What must be read back, in the order of the slots.
#[derive(Default)]
struct Model {
    sites: Vec<(usize, [u64; 5])>,
    calls: Vec<(usize, u64, Vec<CallEnd>)>,
}

impl Model {
    fn site(&mut self, which: usize) -> &mut [u64; 5] {
        let known = self.sites.iter().position(|(known, _)| *known == which);
        let index = known.unwrap_or_else(|| {
            self.sites.push((which, [0; 5]));
            self.sites.len() - 1
        });
        &mut self.sites[index].1
    }

    fn call(&mut self, which: usize) -> &mut (usize, u64, Vec<CallEnd>) {
        let known = self.calls.iter().position(|(known, ..)| *known == which);
        let index = known.unwrap_or_else(|| {
            self.calls.push((which, 0, Vec::new()));
            self.calls.len() - 1
        });
        &mut self.calls[index]
    }

    fn take(&mut self, step: &Step) {
        match step {
            Step::Spawn { which, tasks } => self.site(*which)[0] += tasks,
            Step::End { which, outcome } => self.site(*which)[1 + *outcome as usize] += 1,
            Step::Retrieve { which } => self.site(*which)[4] += 1,
            Step::Start { which } => self.call(*which).1 += 1,
            Step::Finish { which, end } => self.call(*which).2.push(*end),
        }
    }
}

fn write(recording: &Recording, step: &Step) {
    let site = |which: usize| {
        let spec = TaskSiteSpec {
            owner: LoopOwner::Thread(1),
            file: "/srv/app.py",
            line: 3,
            function: "main",
            coroutine: NAMES[which],
        };
        recording.task_site(&spec).unwrap()
    };
    let call = |which: usize| {
        let (kind, group) = (CallKind::Call, "app");
        let name = NAMES[which];
        recording.call(&CallSpec { kind, group, name }).unwrap()
    };
    match step {
        Step::Spawn { which, tasks } => site(*which).spawned(*tasks),
        Step::End { which, outcome } => site(*which).ended(*outcome, 1),
        Step::Retrieve { which } => site(*which).retrieved(1),
        Step::Start { which } => call(*which).exclusive().start(),
        Step::Finish { which, end } => {
            call(*which).finish(*end);
        }
    }
}

fn assert_site(read: &TaskSiteState, which: usize, counts: [u64; 5]) {
    assert_eq!(read.site.coroutine, NAMES[which]);
    let found = [
        read.spawned,
        read.done,
        read.failed,
        read.cancelled,
        read.retrieved,
    ];
    assert_eq!(found, counts);
    let alive = counts[0].saturating_sub(counts[1] + counts[2] + counts[3]);
    assert_eq!(read.alive(), alive);
}

fn assert_call(read: &CallState, which: usize, started: u64, ends: &[CallEnd]) {
    let count = |is: fn(&CallEnd) -> bool| ends.iter().filter(|end| is(end)).count() as u64;
    let blocking = |end: &&CallEnd| end.held_loop && end.nanos >= STALL_NANOS;
    assert_eq!(read.call.name, NAMES[which]);
    assert_eq!((read.started, read.finished), (started, ends.len() as u64));
    assert_eq!(read.failed, count(|end| end.outcome == CallOutcome::Failed));
    let cancelled = count(|end| end.outcome == CallOutcome::Cancelled);
    assert_eq!(read.cancelled, cancelled);
    assert_eq!(read.on_loop, count(|end| end.held_loop));
    assert_eq!(read.blocking, ends.iter().filter(blocking).count() as u64);
    assert_eq!(read.slow, count(|end| end.nanos >= 20 * STALL_NANOS));
    let total: u64 = ends.iter().map(|end| end.nanos).sum();
    assert_eq!(read.total_nanos, total);
    let longest = ends.iter().map(|end| end.nanos).max();
    assert_eq!(read.longest_nanos, longest.unwrap_or(0));
    assert!(read.last_failed_nanos.is_none_or(|at| at > MILLIS));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_tasks_and_calls_reads_back_as_the_model_says(steps in vec(any_step(), 1..200)) {
        let folder = scratch();
        let (recording, path) = create(&folder);
        let mut model = Model::default();
        for step in &steps {
            model.take(step);
            write(&recording, step);
        }
        let found = read_everything(&path).unwrap().tables;
        prop_assert_eq!(found.task_sites.len(), model.sites.len());
        for (read, (which, counts)) in found.task_sites.iter().zip(model.sites) {
            assert_site(read, which, counts);
        }
        prop_assert_eq!(found.calls.len(), model.calls.len());
        for (read, (which, started, ends)) in found.calls.iter().zip(model.calls) {
            assert_call(read, which, started, &ends);
        }
    }
}
