//! Builders for tests: frames, samples and a driver that feeds an engine and reads what came out.

pub(crate) mod work;

use crate::{
    Change, ChangeKind, Config, Engine,
    observation::{
        AwaitingTask, Ending, Fact, Frame, Gil, InsideLoop, LoopInfo, LoopKey, LoopReading,
        LoopRuntime, Observation, ProcessInfo, ProcessKey, ProcessRuntime, RunState, Sample,
        TaskInfo, ThreadState,
    },
    report::{Incident, Report},
    time::{Nanos, WallAnchor},
};

pub(crate) const EVENTS: &str = "/usr/lib/python3.11/asyncio/events.py";
pub(crate) const APP: &str = "/srv/app.py";

pub(crate) fn millis(millis: u64) -> Nanos {
    Nanos::from_millis(millis)
}

pub(crate) fn frame(file: &str, line: u32, function: &str) -> Frame {
    Frame {
        file: file.into(),
        line,
        function: function.into(),
        is_coroutine: false,
        calls: Vec::new(),
    }
}

pub(crate) fn frame_calling(file: &str, line: u32, function: &str, calls: &[&str]) -> Frame {
    let calls = calls.iter().map(|call| (*call).into()).collect();
    Frame {
        calls,
        ..frame(file, line, function)
    }
}

pub(crate) fn coroutine(file: &str, line: u32, function: &str) -> Frame {
    Frame {
        is_coroutine: true,
        ..frame(file, line, function)
    }
}

/// A stack as asyncio's: these frames below the loop's driver, below the module.
pub(crate) fn in_asyncio(inside: &[Frame]) -> Vec<Frame> {
    let mut stack = inside.to_vec();
    stack.push(frame(EVENTS, 84, "Handle._run"));
    stack.push(frame(APP, 99, "<module>"));
    stack
}

pub(crate) fn running() -> ThreadState {
    ThreadState {
        run_state: RunState::Runnable,
        syscall: None,
        awaits_gil: false,
        cpu_nanos: 0,
        runqueue_nanos: 0,
    }
}

/// A look at a thread inside its loop that runs one callback.
pub(crate) fn sample(inside: &[Frame], callback: u64) -> Sample {
    Sample {
        inside_loop: InsideLoop::Yes,
        frames: in_asyncio(inside),
        task: None,
        callback: Some(callback),
        gil: Gil::Unknown,
        thread: running(),
        error: None,
    }
}

pub(crate) fn sleeping_in_handler() -> Sample {
    sample(&[frame_calling(APP, 42, "handler", &["time.sleep"])], 7)
}

pub(crate) fn task(name: &str, address: u64) -> TaskInfo {
    TaskInfo {
        name: name.into(),
        address,
        await_chain: vec![coroutine(APP, 42, "handler")],
        awaited_by: Vec::new(),
    }
}

/// A task that waits for another one at a line.
pub(crate) fn awaiting(name: &str, level: u32, line: u32) -> AwaitingTask {
    AwaitingTask {
        name: name.into(),
        level,
        await_chain: vec![coroutine(APP, line, name)],
    }
}

/// An engine with one process and one loop, and short words for what happens to them.
pub(crate) struct Bench {
    pub(crate) engine: Engine,
    pub(crate) process: ProcessKey,
    pub(crate) key: LoopKey,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::of(ProcessRuntime::Python, LoopRuntime::Asyncio)
    }

    pub(crate) fn of(process_runtime: ProcessRuntime, loop_runtime: LoopRuntime) -> Self {
        Self::configured(Config::default(), process_runtime, loop_runtime)
    }

    pub(crate) fn configured(
        config: Config,
        process_runtime: ProcessRuntime,
        loop_runtime: LoopRuntime,
    ) -> Self {
        let process = process_key(41);
        let key = LoopKey {
            process,
            slot: 0,
            generation: 0,
        };
        let mut bench = Self {
            engine: engine(config),
            process,
            key,
        };
        bench.see_process(process, process_runtime, None);
        bench.see_loop(key, loop_runtime, 4100);
        bench
    }

    pub(crate) fn see_process(
        &mut self,
        process: ProcessKey,
        runtime: ProcessRuntime,
        uninspectable: Option<&str>,
    ) {
        let info = ProcessInfo {
            name: "app".into(),
            runtime,
            parent_pid: 1,
            started: Nanos(0),
            uninspectable: uninspectable.map(str::to_owned),
        };
        self.at(0, Fact::ProcessSeen { process, info });
    }

    pub(crate) fn see_loop(&mut self, key: LoopKey, runtime: LoopRuntime, thread_id: u32) {
        let info = LoopInfo {
            name: "main".into(),
            runtime,
            thread_id,
        };
        self.at(0, Fact::LoopSeen { key, info });
    }

    pub(crate) fn at(&mut self, at: u64, fact: Fact) {
        self.engine.observe(&Observation {
            at: millis(at),
            fact,
        });
    }

    pub(crate) fn look(&mut self, at: u64, busy_since: u64, sample: Sample) {
        self.look_at(self.key, at, busy_since, sample);
    }

    pub(crate) fn look_at(&mut self, key: LoopKey, at: u64, busy_since: u64, sample: Sample) {
        let sample = Box::new(sample);
        self.at(
            at,
            Fact::Sampled {
                key,
                busy_since: millis(busy_since),
                sample,
            },
        );
    }

    pub(crate) fn ended(&mut self, at: u64, started: u64, ended: u64) {
        let (key, started, ended) = (self.key, millis(started), millis(ended));
        self.at(
            at,
            Fact::BusyEnded {
                key,
                started,
                ended,
            },
        );
    }

    pub(crate) fn read(&mut self, at: u64, busy_since: Option<u64>, last_beat: u64) {
        let reading = LoopReading {
            busy_since: busy_since.map(millis),
            last_beat: millis(last_beat),
            ..LoopReading::default()
        };
        self.at(
            at,
            Fact::LoopReading {
                key: self.key,
                reading,
            },
        );
    }

    pub(crate) fn stop(&mut self, at: u64, stopped: bool) {
        self.at(
            at,
            Fact::ProcessStopped {
                process: self.process,
                stopped,
            },
        );
    }

    pub(crate) fn gone(&mut self, at: u64, process: ProcessKey, ending: Ending) {
        self.at(at, Fact::ProcessGone { process, ending });
    }

    /// A whole stall of one kind: looked at from half the threshold on, every 20 ms.
    pub(crate) fn stall(&mut self, started: u64, ended: u64, sample: &Sample) {
        for at in (started + 50..ended).step_by(20) {
            self.look(at, started, sample.clone());
        }
        self.ended(ended, started, ended);
    }

    pub(crate) fn report(&self, now: u64) -> Report {
        self.engine.report(millis(now))
    }

    /// All incidents of the run.
    pub(crate) fn incidents(&self, now: u64) -> Vec<Incident> {
        self.engine.final_report(millis(now)).incidents
    }

    /// The only incident of the run.
    pub(crate) fn only(&self, now: u64) -> Incident {
        let mut incidents = self.incidents(now);
        assert_eq!(incidents.len(), 1, "{incidents:#?}");
        incidents.remove(0)
    }

    /// What changed since the last call.
    pub(crate) fn changes(&mut self) -> Vec<ChangeKind> {
        self.engine
            .take_changes()
            .into_iter()
            .map(|Change { kind, .. }| kind)
            .collect()
    }
}

pub(crate) fn engine(config: Config) -> Engine {
    let anchor = WallAnchor {
        monotonic: Nanos(0),
        unix_nanos: 1_700_000_000_000_000_000,
    };
    Engine::new(config, "shop".into(), "0.1.0", anchor, Nanos(0))
}

pub(crate) fn process_key(pid: u32) -> ProcessKey {
    ProcessKey {
        pid,
        start_ticks: 1,
        image: 0,
    }
}
