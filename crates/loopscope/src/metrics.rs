//! The report's figures as metrics of the `metrics` crate, for whatever recorder the service has.
//!
//! A thread of its own reads the report that was published last, once a second. A recorder belongs to the service, and
//! what it does it does there.

use std::collections::HashSet;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, Builder};
use std::time::Duration;

use loopscope_engine::report::{
    CallHealth, ExecutorHealth, LoopHealth, PoolHealth, ProcessHealth, Report, Severity, Status,
    TasksHealth,
};
use loopscope_server::SnapshotCell;
use metrics::{Key, Label, Unit, counter, describe_counter, describe_gauge, gauge};

use crate::process::without_signals;

const EVERY: Duration = Duration::from_secs(1);

/// Rounds after which it is said again what the figures are: a recorder may have come since.
const DESCRIBED_EVERY: u64 = 60;

/// Starts the thread, which ends with the process.
pub(crate) fn start(reports: Arc<SnapshotCell>) -> io::Result<()> {
    let work = move || {
        let mut exported = Exported::default();
        // A recorder that panics is left alone from then on.
        let mut tell = || exported.tell(reports.latest().report());
        while catch_unwind(AssertUnwindSafe(&mut tell)).is_ok() {
            thread::sleep(EVERY);
        }
    };
    without_signals(|| Builder::new().name("loopscope-metrics".into()).spawn(work))?;
    Ok(())
}

/// What was told so far.
#[derive(Default)]
struct Exported {
    rounds: u64,
    /// Gauges of the last round. Of what is gone the last figure would stand for ever, so it becomes 0.
    gauges: HashSet<Key>,
}

/// One round of telling.
#[derive(Default)]
struct Round(HashSet<Key>);

impl Exported {
    fn tell(&mut self, report: &Report) {
        if self.rounds.is_multiple_of(DESCRIBED_EVERY) {
            describe();
        }
        self.rounds += 1;
        let mut round = Round::default();
        round.report(report);
        for gone in self.gauges.difference(&round.0) {
            let labels: Vec<Label> = gone.labels().cloned().collect();
            gauge!(gone.name().to_owned(), labels).set(0.0);
        }
        self.gauges = round.0;
    }
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Degraded => "degraded",
        Severity::Critical => "critical",
    }
}

type Labels<'a> = &'a [(&'static str, &'a str)];

fn labels(of: Labels<'_>) -> Vec<Label> {
    of.iter()
        .map(|(name, value)| Label::new(*name, (*value).to_owned()))
        .collect()
}

fn count(name: &'static str, of: Labels<'_>, value: u64) {
    counter!(name, labels(of)).absolute(value);
}

impl Round {
    fn set(&mut self, name: &'static str, of: Labels<'_>, value: f64) {
        gauge!(name, labels(of)).set(value);
        self.0.insert(Key::from_parts(name, labels(of)));
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
    fn set_count(&mut self, name: &'static str, of: Labels<'_>, value: u64) {
        self.set(name, of, value as f64);
    }

    fn report(&mut self, report: &Report) {
        let status = match report.status {
            Status::Healthy => 0,
            Status::Degraded => 1,
            Status::Critical => 2,
        };
        self.set_count("loopscope.health.status", &[], status);
        self.incidents(report);
        let details = &report.detailed_health;
        details
            .event_loops
            .iter()
            .for_each(|one| self.event_loop(one));
        let mut processes = details.processes.iter();
        if let Some(own) = processes.find(|one| one.pid == std::process::id()) {
            self.process(own);
        }
        if let Some(tasks) = &details.tasks {
            self.tasks(tasks);
        }
        let calls = details.calls.iter().flatten();
        calls.for_each(|one| self.call(one));
        let pools = details.database.iter().flat_map(|all| &all.pools);
        pools.for_each(|one| self.pool(one));
        let executors = details.executors.iter().flatten();
        executors.for_each(|one| self.executor(one));
        for (what, dropped) in &details.agent.dropped {
            count("loopscope.agent.dropped", &[("table", what)], *dropped);
        }
    }

    fn incidents(&mut self, report: &Report) {
        let open = report
            .incidents
            .iter()
            .filter(|one| one.closed_at.is_none());
        let kinds: Vec<_> = open
            .map(|one| (one.kind.as_str(), word(one.severity)))
            .collect();
        for (kind, severity) in kinds.iter().copied().collect::<HashSet<_>>() {
            let alike = kinds.iter().filter(|one| **one == (kind, severity));
            let of = [("kind", kind), ("severity", severity)];
            self.set_count("loopscope.incident.active", &of, alike.count() as u64);
        }
    }

    fn event_loop(&mut self, one: &LoopHealth) {
        let of = [("loopscope.eventloop.name", &*one.name)];
        let busy = one.busy_seconds.unwrap_or(0.0);
        self.set("loopscope.eventloop.busy", &of, busy);
        self.set(
            "loopscope.eventloop.heartbeat.age",
            &of,
            one.heartbeat_age_seconds,
        );
        if let Some(share) = one.utilization {
            self.set("loopscope.eventloop.utilization", &of, share);
        }
        if let Some(queued) = one.runtime_queued_tasks {
            self.set_count("loopscope.eventloop.queue.length", &of, queued);
        }
        count("loopscope.eventloop.blocks", &of, one.stalls);
    }

    fn process(&mut self, one: &ProcessHealth) {
        if let Some(mebibytes) = one.memory_mb {
            self.set("process.memory.usage", &[], mebibytes * 1024.0 * 1024.0);
        }
        if let Some(open) = one.open_fds {
            self.set_count("process.unix.file_descriptor.count", &[], open);
        }
        if let Some(threads) = one.threads {
            self.set_count("process.thread.count", &[], threads);
        }
    }

    fn tasks(&mut self, tasks: &TasksHealth) {
        self.set_count("loopscope.task.active", &[], tasks.alive);
        count("loopscope.task.created", &[], tasks.spawned);
        for (outcome, ended) in [
            ("done", tasks.done),
            ("failed", tasks.raised),
            ("cancelled", tasks.cancelled),
        ] {
            count("loopscope.task.finished", &[("outcome", outcome)], ended);
        }
    }

    fn call(&mut self, call: &CallHealth) {
        let of = [
            ("loopscope.call.group", &*call.group),
            ("loopscope.call.name", &*call.name),
        ];
        self.set_count("loopscope.call.active", &of, call.in_flight);
        count("loopscope.call.started", &of, call.started);
        count("loopscope.call.failed", &of, call.failed);
        count("loopscope.call.cancelled", &of, call.cancelled);
        count("loopscope.call.slow", &of, call.slow);
        count("loopscope.call.blocking", &of, call.blocking);
    }

    fn pool(&mut self, pool: &PoolHealth) {
        let name = ("db.client.connection.pool.name", &*pool.name);
        for (state, connections) in [("used", pool.in_use), ("idle", pool.idle)] {
            let of = [name, ("db.client.connection.state", state)];
            self.set_count("db.client.connection.count", &of, connections);
        }
        self.set_count("db.client.connection.max", &[name], pool.max_size);
        self.set_count(
            "db.client.connection.pending_requests",
            &[name],
            pool.waiting,
        );
        count("db.client.connection.timeouts", &[name], pool.timeouts);
    }

    fn executor(&mut self, executor: &ExecutorHealth) {
        let of = [("loopscope.executor.name", &*executor.name)];
        self.set_count("loopscope.executor.busy", &of, executor.busy);
        self.set_count("loopscope.executor.queue.length", &of, executor.queued);
    }
}

/// Tells the recorder what the figures are.
fn describe() {
    describe_gauge!(
        "loopscope.health.status",
        "0 healthy, 1 degraded, 2 critical"
    );
    describe_gauge!(
        "loopscope.incident.active",
        "Findings that last, by kind and severity"
    );
    describe_gauge!(
        "loopscope.eventloop.busy",
        Unit::Seconds,
        "For how long a worker has been busy by now"
    );
    describe_gauge!(
        "loopscope.eventloop.heartbeat.age",
        Unit::Seconds,
        "Since a worker last gave a sign of life"
    );
    describe_gauge!(
        "loopscope.eventloop.utilization",
        "Share of the last time in which a worker was busy"
    );
    describe_gauge!(
        "loopscope.eventloop.queue.length",
        "Tasks in the runtime's global queue"
    );
    describe_counter!("loopscope.eventloop.blocks", "Stalls");
    describe_gauge!(
        "process.memory.usage",
        Unit::Bytes,
        "Physical memory in use"
    );
    describe_gauge!(
        "process.unix.file_descriptor.count",
        "File descriptors in use"
    );
    describe_gauge!("process.thread.count", "Threads");
    describe_gauge!("loopscope.task.active", "Tasks alive");
    describe_counter!("loopscope.task.created", "Tasks created");
    describe_counter!("loopscope.task.finished", "Tasks ended, by outcome");
    describe_gauge!("loopscope.call.active", "Tracked calls under way");
    describe_counter!("loopscope.call.started", "Tracked calls begun");
    describe_counter!("loopscope.call.failed", "Tracked calls that failed");
    describe_counter!(
        "loopscope.call.cancelled",
        "Tracked calls that were dropped before their end"
    );
    describe_counter!(
        "loopscope.call.slow",
        "Tracked calls that took two seconds or more"
    );
    describe_counter!(
        "loopscope.call.blocking",
        "Tracked calls that kept a worker for a stall"
    );
    describe_gauge!(
        "db.client.connection.count",
        "Connections of a pool, by state"
    );
    describe_gauge!(
        "db.client.connection.max",
        "Most connections that a pool may have"
    );
    describe_gauge!(
        "db.client.connection.pending_requests",
        "Who waits for a connection"
    );
    describe_counter!(
        "db.client.connection.timeouts",
        "Waits for a connection that were given up"
    );
    describe_gauge!("loopscope.executor.busy", "Threads at work");
    describe_gauge!(
        "loopscope.executor.queue.length",
        "Work that waits for a thread"
    );
    describe_counter!(
        "loopscope.agent.dropped",
        "What found no room in the recording"
    );
}
