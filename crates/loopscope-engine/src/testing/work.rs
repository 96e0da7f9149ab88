//! Builders for tests about tasks, calls, pools and executors.

use std::sync::Arc;

use super::{APP, Bench, millis};
use crate::config::Config;
use crate::observation::{
    AdapterInfo, CallKind, CallName, CallReading, Event, EventFrame, EventKind, ExecutorReading,
    Fact, GcReading, HeldConnection, LoopRuntime, Owner, PoolName, PoolReading, ProcessRuntime,
    TaskSite, TaskSiteReading,
};

/// The thread of a bench's loop.
pub(crate) const THREAD: u32 = 4100;

/// The site `Bot.poll`, created at `/srv/app.py:41 in start_all`, on the bench's loop.
pub(crate) fn polls() -> TaskSiteReading {
    let site = TaskSite {
        owner: Owner::Thread(THREAD),
        file: APP.into(),
        line: 41,
        function: "start_all".into(),
        coroutine: "Bot.poll".into(),
    };
    TaskSiteReading {
        site: Arc::new(site),
        ..TaskSiteReading::default()
    }
}

pub(crate) fn call(kind: CallKind, group: &str, name: &str) -> CallReading {
    let call = CallName {
        kind,
        group: group.into(),
        name: name.into(),
    };
    CallReading {
        call: Arc::new(call),
        ..CallReading::default()
    }
}

pub(crate) fn pool() -> PoolReading {
    let pool = PoolName {
        name: "db".into(),
        driver: "asyncpg".into(),
        server: "10.0.0.5:5432/bots".into(),
    };
    PoolReading {
        pool: Arc::new(pool),
        size: 10,
        largest: 10,
        in_use: 10,
        ..PoolReading::default()
    }
}

pub(crate) fn executor() -> ExecutorReading {
    ExecutorReading {
        name: Arc::new("asyncio_0".into()),
        max_workers: 4,
        workers: 4,
        busy: 4,
        ..ExecutorReading::default()
    }
}

/// The failure of the task `Task-7` of `Bot.poll`, in `/srv/app.py:88`.
pub(crate) fn task_failure(identity: u64, at: u64) -> Event {
    Event {
        owner: Owner::Thread(THREAD),
        slot: Some(0),
        identity,
        started: millis(at),
        ended: Some(millis(at)),
        name: "Task-7".into(),
        error_type: "ValueError".into(),
        message: "bad token".into(),
        frames: vec![at_line(88, "Bot.poll")],
        ..Event::new(EventKind::TaskFailed)
    }
}

/// A word on a failure that was told before.
pub(crate) fn word_on(identity: u64, kind: EventKind) -> Event {
    Event {
        identity,
        ..Event::new(kind)
    }
}

/// A call in slot 0 from one time to another, on the bench's loop.
pub(crate) fn call_event(kind: EventKind, from: u64, until: u64) -> Event {
    Event {
        slot: Some(0),
        thread_id: Some(THREAD),
        started: millis(from),
        ended: Some(millis(until)),
        frames: vec![at_line(42, "handler")],
        ..Event::new(kind)
    }
}

pub(crate) fn at_line(line: u32, function: &str) -> EventFrame {
    EventFrame {
        file: APP.into(),
        line,
        function: function.into(),
    }
}

impl Bench {
    /// A bench whose process has an adapter that watches everything.
    pub(crate) fn adapted() -> Self {
        Self::adapted_with(Config::default())
    }

    pub(crate) fn adapted_with(config: Config) -> Self {
        let bench = Self::configured(config, ProcessRuntime::Python, LoopRuntime::Asyncio);
        bench.with_adapter("asyncio 0.1.0")
    }

    /// A service in Rust with the crate in it.
    pub(crate) fn adapted_tokio() -> Self {
        Self::of(ProcessRuntime::Native, LoopRuntime::Tokio).with_adapter("tokio 0.1.0")
    }

    fn with_adapter(mut self, name: &str) -> Self {
        let adapter = AdapterInfo {
            name: name.into(),
            tasks: true,
            calls: true,
            databases: true,
            executors: true,
            gc: true,
            faults: 0,
        };
        let process = self.process;
        self.at(0, Fact::AdapterSeen { process, adapter });
        self
    }

    pub(crate) fn site(&mut self, at: u64, slot: u32, reading: TaskSiteReading) {
        let process = self.process;
        self.at(
            at,
            Fact::TaskSiteReading {
                process,
                slot,
                reading,
            },
        );
    }

    pub(crate) fn call(&mut self, at: u64, reading: CallReading) {
        let (process, slot) = (self.process, 0);
        self.at(
            at,
            Fact::CallReading {
                process,
                slot,
                reading,
            },
        );
    }

    pub(crate) fn pool(&mut self, at: u64, reading: PoolReading) {
        let (process, slot) = (self.process, 0);
        self.at(
            at,
            Fact::PoolReading {
                process,
                slot,
                reading,
            },
        );
    }

    pub(crate) fn held(&mut self, at: u64, connections: Vec<HeldConnection>) {
        let process = self.process;
        self.at(
            at,
            Fact::ConnectionsHeld {
                process,
                connections,
            },
        );
    }

    pub(crate) fn executor(&mut self, at: u64, reading: ExecutorReading) {
        let (process, slot) = (self.process, 0);
        self.at(
            at,
            Fact::ExecutorReading {
                process,
                slot,
                reading,
            },
        );
    }

    pub(crate) fn gc(&mut self, at: u64, reading: GcReading) {
        let process = self.process;
        self.at(at, Fact::GcReading { process, reading });
    }

    pub(crate) fn happened(&mut self, at: u64, event: Event) {
        let process = self.process;
        let event = Box::new(event);
        self.at(at, Fact::Happened { process, event });
    }

    /// Time has passed, and the loop has been busy for some of it.
    pub(crate) fn tick_busy(&mut self, at: u64, busy_since: u64) {
        self.read(at, Some(busy_since), busy_since);
    }

    /// Nothing happens at this time, but time has passed.
    pub(crate) fn tick(&mut self, at: u64) {
        self.read(at, None, at);
    }
}
