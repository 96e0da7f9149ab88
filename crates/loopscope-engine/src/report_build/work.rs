//! The figures on tasks, calls, databases, executors and the system.

use std::collections::BTreeMap;

use super::{details::mebibytes, sum};
use crate::{
    cause::shown_task,
    engine::Engine,
    model::Process,
    observation::{
        AdapterInfo, CallKind, ClientReading, ExecutorReading, GcReading, HeldConnection, Owner,
        PoolReading, ProcessKey, ServerReading,
    },
    report::{
        CallHealth, DatabaseClientHealth, DatabaseHealth, DatabaseServerHealth, DatabaseWaitHealth,
        ExecutorHealth, Figure, GcHealth, Monitoring, PoolHealth, PoolHolderHealth,
        PoolWaiterHealth, SystemHealth, TaskSiteHealth, TasksHealth,
    },
    rules::holders::{self, Holders},
    time::{Nanos, seconds},
    work::{Call, Site},
};

/// Sites, calls and the like that a report lists; sums hold them all.
const MOST_LISTED: usize = 100;

/// Lines that took connections, of each pool.
const MOST_HOLDERS: usize = 20;

/// Whether an adapter of any process watches this.
pub(super) fn is_watched(engine: &Engine, what: fn(&AdapterInfo) -> bool) -> bool {
    let mut processes = engine.model.processes.values();
    processes.any(|process| process.work.adapter.as_ref().is_some_and(what))
}

/// Processes whose adapter watches this.
fn watched(
    engine: &Engine,
    what: fn(&AdapterInfo) -> bool,
) -> impl Iterator<Item = (&ProcessKey, &Process)> {
    let processes = engine.model.processes.iter();
    processes.filter(move |(_, process)| process.work.adapter.as_ref().is_some_and(what))
}

/// A sum that holds still at the end of its type: a recording may say anything.
fn total(figures: impl Iterator<Item = u64>) -> u64 {
    figures.fold(0, u64::saturating_add)
}

fn add(sum: &mut u64, figure: u64) {
    *sum = sum.saturating_add(figure);
}

/// Adds the figures on tasks and calls.
pub(super) fn monitor(engine: &Engine, monitoring: &mut Monitoring, now: Nanos) {
    let sites = || {
        let processes = watched(engine, |adapter| adapter.tasks);
        processes.flat_map(|(_, process)| {
            process
                .work
                .sites
                .values()
                .map(move |site| (process.is_alive(), site))
        })
    };
    if is_watched(engine, |adapter| adapter.tasks) {
        let spawned = sites().map(|(_, site)| site.reading.spawned);
        let alive = sites().filter(|(is_alive, _)| *is_alive);
        monitoring.total_tasks = sum(spawned).or(Some(0));
        monitoring.pending_tasks = sum(alive.map(|(_, site)| site.reading.alive())).or(Some(0));
        monitoring.failed_tasks = Some(failed_tasks(engine, now));
        monitoring.oldest_task_seconds = oldest_task_seconds(engine, now);
    }
    monitoring.call_groups = call_groups(engine);
}

/// Failures that nobody took.
fn failed_tasks(engine: &Engine, now: Nanos) -> u64 {
    let processes = watched(engine, |adapter| adapter.tasks);
    let sites = processes.flat_map(|(_, process)| process.work.sites.values());
    total(sites.map(|site| lost(engine, site, now)))
}

fn lost(engine: &Engine, site: &Site, now: Nanos) -> u64 {
    site.lost(now, engine.config.task_failure_grace)
}

/// The sums of a group of calls.
#[derive(Default)]
struct Group {
    started: u64,
    finished: u64,
    total_nanos: u64,
    blocking: u64,
}

fn call_groups(engine: &Engine) -> BTreeMap<String, Figure> {
    let mut groups: BTreeMap<String, Group> = BTreeMap::new();
    for (_, process) in watched(engine, |adapter| adapter.calls || adapter.databases) {
        for call in process.work.calls.values() {
            let reading = &call.reading;
            let group = groups.entry(figure_name(&reading.call.group)).or_default();
            add(&mut group.started, reading.started);
            add(&mut group.finished, reading.finished);
            add(&mut group.total_nanos, reading.total_nanos);
            add(&mut group.blocking, reading.blocking);
        }
    }
    groups
        .into_iter()
        .flat_map(|(name, group)| group_figures(&name, &group))
        .collect()
}

fn group_figures(name: &str, group: &Group) -> Vec<(String, Figure)> {
    let average = average(group.total_nanos, group.finished).map(Figure::Seconds);
    let figures = [
        ("total_calls", Some(Figure::Count(group.started))),
        ("avg_duration", average),
        ("blocking_calls", Some(Figure::Count(group.blocking))),
    ];
    let named = figures.into_iter();
    named
        .filter_map(|(figure, value)| Some((format!("{name}_{figure}"), value?)))
        .collect()
}

/// A group's name as the beginning of a figure's.
fn figure_name(group: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    group.to_ascii_lowercase().chars().map(plain).collect()
}

/// Seconds each; absent where there is nothing to divide by.
fn average(total_nanos: u64, count: u64) -> Option<f64> {
    let each = total_nanos.checked_div(count)?;
    Some(seconds(Nanos(each)))
}

pub(super) fn tasks(engine: &Engine, now: Nanos) -> Option<TasksHealth> {
    if !is_watched(engine, |adapter| adapter.tasks) {
        return None;
    }
    let mut listed: Vec<(ProcessKey, &Site)> = Vec::new();
    for (key, process) in watched(engine, |adapter| adapter.tasks) {
        let sites = process.work.sites.values();
        listed.extend(sites.map(|site| (*key, site)));
    }
    let readings = || listed.iter().map(|(_, site)| &site.reading);
    let mut health = TasksHealth {
        spawned: total(readings().map(|reading| reading.spawned)),
        alive: total(readings().map(|reading| reading.alive())),
        done: total(readings().map(|reading| reading.done)),
        cancelled: total(readings().map(|reading| reading.cancelled)),
        raised: total(readings().map(|reading| reading.failed)),
        failed: failed_tasks(engine, now),
        sites: Vec::new(),
    };
    listed.sort_by_key(|(_, site)| std::cmp::Reverse((site.reading.alive(), site.reading.spawned)));
    let listed = listed.into_iter().take(MOST_LISTED);
    health.sites = listed
        .map(|(key, site)| site_health(engine, key, site, now))
        .collect();
    Some(health)
}

fn site_health(engine: &Engine, key: ProcessKey, site: &Site, now: Nanos) -> TaskSiteHealth {
    let reading = &site.reading;
    let of_site = &reading.site;
    let oldest = reading.oldest_started.filter(|_| reading.alive() > 0);
    TaskSiteHealth {
        pid: key.pid,
        loop_id: loop_id(engine, key, of_site.owner),
        coroutine: of_site.coroutine.clone(),
        file: of_site.file.clone(),
        line: of_site.line,
        function: of_site.function.clone(),
        spawned: reading.spawned,
        alive: reading.alive(),
        failed: lost(engine, site, now),
        cancelled: reading.cancelled,
        oldest_seconds: oldest.map(|started| seconds(now.since(started))),
        oldest_task: site.oldest.as_ref().map(shown_task),
    }
}

fn oldest_task_seconds(engine: &Engine, now: Nanos) -> Option<f64> {
    let processes = watched(engine, |adapter| adapter.tasks);
    let alive = processes.filter(|(_, process)| process.is_alive());
    let sites = alive.flat_map(|(_, process)| process.work.sites.values());
    let readings = sites.map(|site| &site.reading);
    let pending = readings.filter(|reading| reading.alive() > 0);
    let oldest = pending.filter_map(|reading| reading.oldest_started).min();
    oldest.map(|started| seconds(now.since(started)))
}

fn loop_id(engine: &Engine, process: ProcessKey, owner: Owner) -> Option<String> {
    let key = engine.model.loop_of(process, owner)?;
    Some(engine.model.loops.get(&key)?.id.clone())
}

pub(super) fn calls(engine: &Engine, now: Nanos) -> Option<Vec<CallHealth>> {
    if !is_watched(engine, |adapter| adapter.calls) {
        return None;
    }
    let mut listed = all_calls(engine);
    listed.sort_by_key(|(_, call)| {
        let reading = &call.reading;
        std::cmp::Reverse((reading.blocking, reading.slow, reading.total_nanos))
    });
    let listed = listed.into_iter().take(MOST_LISTED);
    Some(
        listed
            .map(|(key, call)| call_health(key, call, now))
            .collect(),
    )
}

fn all_calls(engine: &Engine) -> Vec<(ProcessKey, &Call)> {
    let processes = engine.model.processes.iter();
    let calls = processes.flat_map(|(key, process)| {
        let calls = process.work.calls.values();
        calls.map(|call| (*key, call))
    });
    calls.collect()
}

fn call_health(key: ProcessKey, call: &Call, now: Nanos) -> CallHealth {
    let reading = &call.reading;
    let in_seconds = |nanos: Option<u64>| nanos.map(|nanos| seconds(Nanos(nanos)));
    CallHealth {
        pid: key.pid,
        group: reading.call.group.clone(),
        name: reading.call.name.clone(),
        kind: kind_word(reading.call.kind).to_owned(),
        started: reading.started,
        in_flight: reading.in_flight(),
        failed: reading.failed,
        cancelled: reading.cancelled,
        on_loop: reading.on_loop,
        blocking: reading.blocking,
        slow: reading.slow,
        avg_seconds: average(reading.total_nanos, reading.finished),
        p50_seconds: in_seconds(reading.p50_nanos),
        p99_seconds: in_seconds(reading.p99_nanos),
        max_seconds: seconds(Nanos(reading.longest_nanos)),
        per_second: call.rate(now),
        last_error: reading.last_error.clone(),
        errors: reading
            .errors
            .iter()
            .map(|(error_type, failed)| (error_type.to_string(), *failed))
            .collect(),
    }
}

fn kind_word(kind: CallKind) -> &'static str {
    match kind {
        CallKind::Call => "call",
        CallKind::Request => "request",
        CallKind::Query => "query",
        CallKind::Connect => "connect",
        CallKind::Acquire => "acquire",
    }
}

pub(super) fn database(engine: &Engine, now: Nanos) -> Option<DatabaseHealth> {
    if !is_watched(engine, |adapter| adapter.databases) {
        return None;
    }
    let mut health = DatabaseHealth::default();
    add_queries(engine, &mut health);
    let (mut ended, mut lived_nanos) = (0, 0);
    for (key, process) in watched(engine, |adapter| adapter.databases) {
        for (slot, pool) in &process.work.pools {
            let reading = &pool.reading;
            add(&mut health.connections_open, reading.open());
            add(&mut health.connections_opened, reading.opened);
            add(&mut health.connections_failed, reading.open_failed);
            add(&mut health.connections_closed, reading.closed);
            add(&mut health.connections_leaked, reading.leaked);
            add(&mut ended, reading.ended());
            add(&mut lived_nanos, reading.lifetime_nanos);
            let work = &process.work;
            let holders = by_lines(&work.held, *slot, |line| pool_holder(line, now));
            let waiters = by_lines(&work.waiters, *slot, |line| pool_waiter(line, now));
            let pool = pool_health(*key, reading, (holders, waiters), now);
            health.pools.push(pool);
        }
    }
    health.avg_connection_seconds = average(lived_nanos, ended);
    Some(health)
}

pub(super) fn database_servers(engine: &Engine, now: Nanos) -> Vec<DatabaseServerHealth> {
    let servers = engine.servers.iter();
    servers
        .map(|server| database_server(&server.reading, server.at, now))
        .collect()
}

fn database_server(reading: &ServerReading, at: Nanos, now: Nanos) -> DatabaseServerHealth {
    let clients = reading.clients.iter().take(MOST_LISTED);
    let client_health = |client: &ClientReading| DatabaseClientHealth {
        pid: client.pid,
        application: client.application.clone(),
        user: client.user.clone(),
        connections: client.connections,
        active: client.active,
        idle_in_transaction: client.idle_in_transaction,
        waiting: client.waiting,
    };
    let waits = reading.locks.iter().flat_map(|lock| {
        lock.waiters.iter().map(|waiter| DatabaseWaitHealth {
            backend: waiter.backend,
            pid: waiter.pid,
            waiting_seconds: seconds(at.since(waiter.since)),
            statement: waiter.statement.clone(),
            holder_backend: lock.holder.backend,
            holder_pid: lock.holder.pid,
        })
    });
    DatabaseServerHealth {
        server: reading.server.clone(),
        version: reading.version.clone(),
        age_seconds: seconds(now.since(at)),
        connections: reading.connections,
        max_connections: reading.max_connections,
        reserved_connections: reading.reserved_connections,
        deadlocks: reading.deadlocks,
        clients: clients.map(client_health).collect(),
        waits: waits.take(MOST_LISTED).collect(),
        limited: reading.limited.clone(),
    }
}

fn add_queries(engine: &Engine, health: &mut DatabaseHealth) {
    let (mut finished, mut total_nanos, mut longest_nanos) = (0, 0, 0);
    for (_, call) in all_calls(engine) {
        let reading = &call.reading;
        if reading.call.kind == CallKind::Query {
            add(&mut health.queries, reading.started);
            add(&mut health.queries_in_flight, reading.in_flight());
            add(&mut health.queries_failed, reading.failed);
            add(&mut health.queries_slow, reading.slow);
            add(&mut health.queries_blocking, reading.blocking);
            add(&mut finished, reading.finished);
            add(&mut total_nanos, reading.total_nanos);
            longest_nanos = longest_nanos.max(reading.longest_nanos);
        }
    }
    health.avg_query_seconds = average(total_nanos, finished);
    health.max_query_seconds = seconds(Nanos(longest_nanos));
}

/// Those of one pool, by the line that asked.
fn by_lines<T>(
    all: &[HeldConnection],
    pool: u32,
    shown: impl Fn(&Holders<'_>) -> Option<T>,
) -> Vec<T> {
    let lines = holders::by_line(all.iter().filter(|one| one.pool == pool));
    lines.iter().take(MOST_HOLDERS).filter_map(shown).collect()
}

fn pool_health(
    key: ProcessKey,
    reading: &PoolReading,
    (holders, waiters): (Vec<PoolHolderHealth>, Vec<PoolWaiterHealth>),
    now: Nanos,
) -> PoolHealth {
    let waiting = reading.waiting_since.map(|since| now.since(since));
    PoolHealth {
        pid: key.pid,
        name: reading.pool.name.clone(),
        driver: reading.pool.driver.clone(),
        server: reading.pool.server.clone(),
        open: reading.open(),
        size: reading.size,
        max_size: reading.largest,
        in_use: reading.in_use,
        idle: reading.idle,
        waiting: reading.waiting,
        waiting_seconds: waiting.map(seconds),
        acquires: reading.acquires,
        avg_acquire_seconds: average(reading.acquire_nanos, reading.acquires),
        max_acquire_seconds: seconds(Nanos(reading.longest_acquire_nanos)),
        timeouts: reading.timeouts,
        avg_use_seconds: average(reading.use_nanos, reading.releases),
        max_use_seconds: seconds(Nanos(reading.longest_use_nanos)),
        holders,
        waiters,
        opened: reading.opened,
        closed: reading.closed,
        leaked: reading.leaked,
        avg_lifetime_seconds: average(reading.lifetime_nanos, reading.ended()),
        open_failed: reading.open_failed,
        last_error: reading.last_error.clone(),
    }
}

fn pool_waiter(line: &Holders<'_>, now: Nanos) -> Option<PoolWaiterHealth> {
    let oldest = line.oldest;
    let asked_at = oldest.asked_at.as_ref()?;
    Some(PoolWaiterHealth {
        callers: line.count as u64,
        oldest_seconds: seconds(now.since(oldest.since)),
        file: asked_at.file.clone(),
        line: asked_at.line,
        function: asked_at.function.clone(),
        task: oldest.task.clone(),
    })
}

fn pool_holder(line: &Holders<'_>, now: Nanos) -> Option<PoolHolderHealth> {
    let oldest = line.oldest;
    let asked_at = oldest.asked_at.as_ref()?;
    Some(PoolHolderHealth {
        connections: line.count as u64,
        oldest_seconds: seconds(now.since(oldest.since)),
        file: asked_at.file.clone(),
        line: asked_at.line,
        function: asked_at.function.clone(),
        task: oldest.task.clone(),
        stands_at: oldest.stands_at.as_ref().map(holders::shown),
        backend: oldest.backend,
    })
}

pub(super) fn executors(engine: &Engine, now: Nanos) -> Option<Vec<ExecutorHealth>> {
    if !is_watched(engine, |adapter| adapter.executors) {
        return None;
    }
    let processes = watched(engine, |adapter| adapter.executors);
    let executors = processes.flat_map(|(key, process)| {
        let executors = process.work.executors.values();
        let living = executors.filter(|reading| !reading.ended);
        living.map(move |reading| executor_health(*key, reading, now))
    });
    Some(executors.collect())
}

fn executor_health(key: ProcessKey, reading: &ExecutorReading, now: Nanos) -> ExecutorHealth {
    let begun = reading.submitted.saturating_sub(reading.queued);
    let saturated = reading.saturated_since.map(|since| now.since(since));
    ExecutorHealth {
        pid: key.pid,
        name: reading.name.to_string(),
        max_workers: reading.max_workers,
        workers: reading.workers,
        busy: reading.busy,
        queued: reading.queued,
        submitted: reading.submitted,
        failed: reading.failed,
        avg_wait_seconds: average(reading.wait_nanos, begun),
        max_wait_seconds: seconds(Nanos(reading.longest_wait_nanos)),
        saturated_seconds: saturated.map(seconds),
    }
}

pub(super) fn system(engine: &Engine) -> Vec<SystemHealth> {
    let processes = engine.model.processes.iter();
    let alive = processes.filter(|(_, process)| process.is_alive());
    alive
        .filter_map(|(key, process)| system_health(*key, process))
        .collect()
}

fn system_health(key: ProcessKey, process: &Process) -> Option<SystemHealth> {
    let resources = process.resources?;
    Some(SystemHealth {
        pid: key.pid,
        memory_mb: mebibytes(resources.rss_bytes),
        memory_limit_mb: resources.memory_limit_bytes.map(mebibytes),
        open_fds: resources.open_fds,
        fd_limit: resources.fd_limit,
        threads: resources.threads,
        gc: process.work.gc.reading.map(gc_health),
    })
}

fn gc_health(reading: GcReading) -> GcHealth {
    GcHealth {
        collections: reading.collections,
        pause_total_seconds: seconds(Nanos(reading.pause_nanos)),
        max_pause_seconds: seconds(Nanos(reading.longest_pause_nanos)),
        tracked_objects: reading.tracked,
    }
}
