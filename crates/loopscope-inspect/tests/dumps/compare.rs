//! Compares a dump with what the program told, and says each difference in a line.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use loopscope_inspect::{
    Dump, DumpedLoop, DumpedTask, DumpedThread, Frame, LoopState, Orphan, TaskIndex, TaskState,
    Wait, WaitTarget,
};

use crate::told::{
    Told, ToldFrame, ToldLoop, ToldLoopState, ToldState, ToldTask, ToldThread, ToldWait,
};

/// Clocks are read in nanoseconds and told in seconds.
const CLOCK_SECONDS: f64 = 1e-5;

/// Fails with all differences, if there are any.
pub(crate) fn fail_with(differences: &[String]) {
    assert!(
        differences.is_empty(),
        "{} differences from what the programs told:\n{}",
        differences.len(),
        differences.join("\n")
    );
}

/// All differences; none for a true dump.
pub(crate) fn differences(told: &Told, dump: &Dump) -> Vec<String> {
    let mut found = Found {
        told,
        dump,
        differences: Vec::new(),
        place: String::new(),
    };
    found.nothing_is_missing();
    found.tasks();
    found.loops();
    found.threads();
    found.differences
}

struct Found<'dump> {
    told: &'dump Told,
    dump: &'dump Dump,
    differences: Vec<String>,
    /// What is being compared.
    place: String,
}

impl Found<'_> {
    fn say(&mut self, difference: &str) {
        self.differences
            .push(format!("{}: {difference}", self.place));
    }

    fn same<T: PartialEq + Debug>(&mut self, what: &str, told: &T, dumped: &T) {
        if told != dumped {
            self.say(&format!(
                "{what}\n    told   {told:?}\n    dumped {dumped:?}"
            ));
        }
    }

    fn nothing_is_missing(&mut self) {
        "the dump".clone_into(&mut self.place);
        self.same("problems", &Vec::new(), &self.dump.problems);
        let told = self
            .told
            .deadlocks
            .iter()
            .map(|circle| circle.iter().copied().collect());
        let dumped = self
            .dump
            .deadlocks
            .iter()
            .map(|circle| self.addresses(circle));
        let (told, dumped): (Vec<BTreeSet<_>>, Vec<_>) = (told.collect(), dumped.collect());
        let told: BTreeSet<_> = told.iter().map(|circle| self.names(circle)).collect();
        let dumped: BTreeSet<_> = dumped.iter().map(|circle| self.names(circle)).collect();
        self.same("deadlocks", &told, &dumped);
        self.same(
            "deadlocks, each once",
            &dumped.len(),
            &self.dump.deadlocks.len(),
        );
    }

    fn addresses(&self, tasks: &[TaskIndex]) -> BTreeSet<u64> {
        let tasks = tasks.iter().filter_map(|index| self.dump.task(*index));
        tasks.map(|task| task.address).collect()
    }

    fn tasks(&mut self) {
        let dumped = by_address(&self.dump.tasks, |task| task.address);
        self.same("tasks by address", &self.dump.tasks.len(), &dumped.len());
        let told = by_address(&self.told.tasks, |task| task.address);
        for (address, task) in &told {
            self.place = format!("task {:?}", task.name);
            match dumped.get(address) {
                Some(dumped) => self.task(task, dumped),
                None if task.is_listed => self.say("is missing"),
                None => {}
            }
        }
        for (_, task) in dumped
            .iter()
            .filter(|(address, _)| !told.contains_key(address))
        {
            self.place = format!("task {:?}", task.name);
            self.say(&format!("is not one of those told: {task:?}"));
        }
    }

    fn task(&mut self, told: &ToldTask, dumped: &DumpedTask) {
        let event_loop = dumped
            .event_loop
            .and_then(|index| self.dump.event_loop(index));
        self.same("problem", &None, &dumped.problem);
        self.same("name", &Some(&told.name), &dumped.name.as_ref());
        self.type_name(&told.type_name, &dumped.type_name);
        self.same(
            "loop",
            &Some(told.event_loop),
            &event_loop.map(|event_loop| event_loop.address),
        );
        self.same("state", &told.state, &state(&dumped.state));
        if let Some(is_cancelling) = told.is_cancelling {
            self.same("is cancelling", &is_cancelling, &dumped.is_cancelling);
        }
        self.frames("await chain", &told.chain, &dumped.await_chain);
        self.wait(told, dumped.waits_for.as_ref());
        self.awaited_by(told, dumped);
        self.orphan(told, dumped);
    }

    /// With the module or without.
    fn type_name(&mut self, told: &str, dumped: &str) {
        let bare = told.rsplit('.').next().unwrap();
        if dumped != bare {
            self.same("type", &told, &dumped);
        }
    }

    fn frames(&mut self, what: &str, told: &[ToldFrame], dumped: &[Frame]) {
        let told: Vec<Frame> = told.iter().map(ToldFrame::frame).collect();
        if told == dumped {
            return;
        }
        let lines = |frames: &[Frame]| {
            let lines = frames.iter().map(|frame| {
                let word = if frame.is_coroutine { "async " } else { "" };
                format!(
                    "\n        {word}{} {}:{}",
                    frame.function, frame.file, frame.line
                )
            });
            lines.collect::<String>()
        };
        self.say(&format!(
            "{what}\n    told{}\n    dumped{}",
            lines(&told),
            lines(dumped)
        ));
    }

    fn wait(&mut self, told: &ToldTask, dumped: Option<&Wait>) {
        if !told.is_declared {
            return;
        }
        let target = dumped.map(|wait| self.target(&wait.target));
        self.same("waits for", &told.waits_for, &target);
        let Some(wait) = dumped else { return };
        let primitive = wait.primitive.as_ref();
        let kinds = told.primitive.as_ref().map(|told| told.kind.as_str());
        self.same(
            "primitive",
            &kinds,
            &primitive.map(|primitive| &*primitive.kind),
        );
        if let (Some(told), Some(dumped)) = (&told.primitive, primitive) {
            if told.address.is_some() {
                self.same("primitive's address", &told.address, &dumped.address);
            }
            if told.detail.is_some() {
                self.same("primitive's detail", &told.detail, &dumped.detail);
            }
        }
        let deadline = told.deadlines.iter().copied().reduce(f64::min);
        self.due("due", deadline, wait.due_seconds);
    }

    /// As it would have been told. One task and several are told alike.
    fn target(&self, target: &WaitTarget) -> ToldWait {
        let address = |index| self.dump.task(index).map_or(0, |task| task.address);
        match target {
            WaitTarget::FirstStep => ToldWait::FirstStep,
            WaitTarget::NextStep => ToldWait::NextStep,
            WaitTarget::Task(index) => ToldWait::Tasks {
                tasks: vec![address(*index)],
            },
            WaitTarget::Tasks(indexes) => {
                let tasks: BTreeSet<u64> = indexes.iter().map(|index| address(*index)).collect();
                ToldWait::Tasks {
                    tasks: tasks.into_iter().collect(),
                }
            }
            WaitTarget::Future { address, type_name } => ToldWait::Future {
                address: *address,
                type_name: type_name.to_string(),
            },
            WaitTarget::Unknown => ToldWait::Future {
                address: 0,
                type_name: "unknown".to_owned(),
            },
        }
    }

    fn due(&mut self, what: &str, told: Option<f64>, dumped_seconds: Option<f64>) {
        let taken_seconds = self.dump.taken_nanos as f64 / 1e9;
        let dumped = dumped_seconds.map(|due| taken_seconds + due);
        let is_same = match (told, dumped) {
            (Some(told), Some(dumped)) => (told - dumped).abs() < CLOCK_SECONDS,
            (told, dumped) => told == dumped,
        };
        if !is_same {
            self.same(what, &told, &dumped);
        }
    }

    fn awaited_by(&mut self, told: &ToldTask, dumped: &DumpedTask) {
        let waiters = self.addresses(&dumped.awaited_by);
        self.same(
            "awaited by, each once",
            &waiters.len(),
            &dumped.awaited_by.len(),
        );
        let Some(told) = &told.awaited_by else { return };
        let told: BTreeSet<_> = told.iter().copied().collect();
        if told != waiters {
            let (told, dumped) = (self.names(&told), self.names(&waiters));
            self.same("awaited by", &told, &dumped);
        }
    }

    fn names(&self, addresses: &BTreeSet<u64>) -> Vec<String> {
        let name = |address: &u64| {
            let told = self.told.tasks.iter().find(|task| task.address == *address);
            told.map_or_else(|| format!("{address:#x}"), |task| task.name.clone())
        };
        addresses.iter().map(name).collect()
    }

    fn orphan(&mut self, told: &ToldTask, dumped: &DumpedTask) {
        let mut loops = self.told.loops.iter();
        let event_loop = loops.find(|event_loop| event_loop.address == told.event_loop);
        let orphan = match (&told.state, event_loop.map(|event_loop| event_loop.state)) {
            (ToldState::Pending, Some(ToldLoopState::Closed)) => Some(Orphan::LoopClosed),
            (ToldState::Pending, Some(ToldLoopState::NotRunning)) => Some(Orphan::LoopNotRunning),
            _ if told.waits_on_closed_loop => Some(Orphan::WaitsOnClosedLoop),
            _ => None,
        };
        self.same("orphan", &orphan, &dumped.orphan);
    }

    fn loops(&mut self) {
        let dumped = by_address(&self.dump.loops, |event_loop| event_loop.address);
        "loops".clone_into(&mut self.place);
        let told: BTreeSet<_> = self.told.loops.iter().map(|one| one.address).collect();
        self.same("addresses", &told, &dumped.keys().copied().collect());
        self.same("loops by address", &self.dump.loops.len(), &dumped.len());
        for told in &self.told.loops {
            self.place = format!("loop {:#x}", told.address);
            if let Some(dumped) = dumped.get(&told.address) {
                self.event_loop(told, dumped);
            }
        }
    }

    fn event_loop(&mut self, told: &ToldLoop, dumped: &DumpedLoop) {
        let thread = dumped.thread.and_then(|index| self.dump.thread(index));
        self.same("problem", &None, &dumped.problem);
        self.type_name(&told.type_name, &dumped.type_name);
        self.same("thread", &told.tid, &thread.and_then(|thread| thread.tid));
        let task = match dumped.state {
            LoopState::Running { task } => task.and_then(|index| self.dump.task(index)),
            _ => None,
        };
        self.same("state", &Some(told.state), &loop_state(dumped.state));
        self.same("task", &told.task, &task.map(|task| task.address));
        if told.ready.is_some() {
            self.same("ready", &told.ready, &dumped.ready);
        }
        self.same("timers", &told.timers, &dumped.timers);
        self.due("next timer", told.next_timer, dumped.next_timer_seconds);
    }

    fn threads(&mut self) {
        "threads".clone_into(&mut self.place);
        let told: BTreeSet<_> = self.told.threads.iter().map(|one| Some(one.tid)).collect();
        let dumped: BTreeSet<_> = self.dump.threads.iter().map(|one| one.tid).collect();
        self.same("thread ids", &told, &dumped);
        for told in &self.told.threads {
            self.place = format!("thread {:?}", told.name);
            let mut threads = self.dump.threads.iter();
            if let Some(dumped) = threads.find(|one| one.tid == Some(told.tid)) {
                self.thread(told, dumped);
            }
        }
    }

    fn thread(&mut self, told: &ToldThread, dumped: &DumpedThread) {
        let running_loop = dumped
            .running_loop
            .and_then(|index| self.dump.event_loop(index));
        self.same("problem", &None, &dumped.problem);
        self.same("name", &Some(&told.name), &dumped.name.as_ref());
        self.same("interpreter", &0, &dumped.interpreter);
        let holds_gil = self.told.gil_holder == Some(told.tid);
        self.same("holds the lock", &Some(holds_gil), &dumped.holds_gil);
        self.same(
            "running loop",
            &told.running_loop,
            &running_loop.map(|event_loop| event_loop.address),
        );
        if let Some(frames) = &told.frames {
            self.frames("frames", frames, &dumped.frames);
        }
    }
}

fn by_address<T>(all: &[T], address: impl Fn(&T) -> u64) -> BTreeMap<u64, &T> {
    all.iter().map(|one| (address(one), one)).collect()
}

fn state(state: &TaskState) -> ToldState {
    match state {
        TaskState::Pending => ToldState::Pending,
        TaskState::Running => ToldState::Running,
        TaskState::Done => ToldState::Done,
        TaskState::Cancelled => ToldState::Cancelled,
        TaskState::Failed { exception, message } => ToldState::Failed {
            exception: exception.to_string(),
            message: message.clone(),
        },
    }
}

fn loop_state(state: LoopState) -> Option<ToldLoopState> {
    match state {
        LoopState::Idle => Some(ToldLoopState::Idle),
        LoopState::Running { .. } => Some(ToldLoopState::Running),
        LoopState::NotRunning => Some(ToldLoopState::NotRunning),
        LoopState::Closed => Some(ToldLoopState::Closed),
        LoopState::Unknown => None,
    }
}
