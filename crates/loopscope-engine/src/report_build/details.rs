//! The figures behind the status: each loop, each process, the observer.

use crate::{
    engine::Engine,
    model::{Loop, Process},
    observation::{Ending, LoopKey, ProcessKey},
    report::{AgentHealth, LoopHealth, LoopState, ProcessHealth, ProcessState},
    time::{Nanos, seconds},
    words,
};

const MEBIBYTE: f64 = 1_048_576.0;

pub(super) fn event_loops(engine: &Engine, now: Nanos) -> Vec<LoopHealth> {
    engine
        .model
        .loops
        .iter()
        .map(|(key, known)| loop_health(engine, *key, known, now))
        .collect()
}

fn loop_health(engine: &Engine, key: LoopKey, known: &Loop, now: Nanos) -> LoopHealth {
    let at = known.ended.unwrap_or(now);
    let reading = &known.reading;
    let busy_since = known.ended.is_none().then(|| busy_since(known)).flatten();
    let running = busy_since.map_or(Nanos(0), |since| at.since(since));
    let busy = Nanos(reading.busy_nanos).plus(running);
    let waiting = idle_since(known, busy_since).map_or(Nanos(0), |since| at.since(since));
    let idle = Nanos(reading.idle_nanos).plus(waiting);
    LoopHealth {
        id: known.id.clone(),
        name: known.info.name.clone(),
        runtime: words::loop_runtime(known.info.runtime).to_owned(),
        pid: key.process.pid,
        thread_id: known.info.thread_id,
        state: loop_state(engine, key, known, now),
        busy_seconds: busy_since.map(|_| seconds(running)),
        heartbeat_age_seconds: seconds(at.since(reading.last_beat)),
        iterations: reading.iterations,
        busy_total_seconds: seconds(busy),
        idle_total_seconds: seconds(idle),
        utilization: ratio(busy, busy.plus(idle)),
        stalls: known.stall_count,
        longest_busy_seconds: seconds(Nanos(reading.longest_busy_nanos).max(running)),
        runtime_tasks: reading.runtime.map(|tasks| tasks.alive),
        runtime_queued_tasks: reading.runtime.map(|tasks| tasks.queued),
    }
}

/// Since when it has been busy: by its last reading, or by an open stall that is newer than that.
fn busy_since(known: &Loop) -> Option<Nanos> {
    let open = known
        .stalls
        .current()
        .filter(|period| period.occurrence.is_some());
    known
        .reading
        .busy_since
        .max(open.map(|period| period.started))
}

/// Since when it waits in its poll, by its last reading. What it did before its first turn was over says
/// nothing of how busy it is.
fn idle_since(known: &Loop, busy_since: Option<Nanos>) -> Option<Nanos> {
    let reading = &known.reading;
    let has_turned = reading.iterations > 0;
    (has_turned && busy_since.is_none()).then_some(reading.last_beat)
}

fn loop_state(engine: &Engine, key: LoopKey, known: &Loop, now: Nanos) -> LoopState {
    let process = engine.model.processes.get(&key.process);
    let is_stopped = process.is_some_and(|process| process.stopped_since.is_some());
    let lasted = |(since, _)| now.since(since) >= engine.config.blocked_threshold;
    match known.stalls.open_stall() {
        _ if known.ended.is_some() => LoopState::Ended,
        _ if is_stopped => LoopState::Suspended,
        Some(stall) if lasted(stall) => LoopState::Blocked,
        Some(_) => LoopState::Stalled,
        None if busy_since(known).is_some() => LoopState::Busy,
        None => LoopState::Idle,
    }
}

pub(super) fn processes(engine: &Engine) -> Vec<ProcessHealth> {
    let processes = engine.model.processes.iter();
    processes
        .map(|(key, process)| process_health(*key, process))
        .collect()
}

fn process_health(key: ProcessKey, process: &Process) -> ProcessHealth {
    let ending = process.ended.map(|(_, ending)| ending);
    let alive = process.resources.filter(|_| process.is_alive());
    ProcessHealth {
        pid: key.pid,
        name: process.info.name.clone(),
        runtime: words::process_runtime(process.info.runtime).to_owned(),
        state: process_state(process, ending),
        exit_code: match ending {
            Some(Ending::Exited(code)) => Some(code),
            _ => None,
        },
        signal: match ending {
            Some(Ending::Signaled(signal)) => Some(signal),
            _ => None,
        },
        memory_mb: alive.map(|resources| mebibytes(resources.rss_bytes)),
        cpu_percent: process
            .cpu_percent
            .filter(|_| process.is_alive())
            .map(percent),
        open_fds: alive.and_then(|resources| resources.open_fds),
        threads: alive.map(|resources| resources.threads),
        uninspectable: process.info.uninspectable.clone(),
    }
}

fn process_state(process: &Process, ending: Option<Ending>) -> ProcessState {
    match ending {
        Some(Ending::Exited(_) | Ending::Closed) => ProcessState::Exited,
        Some(Ending::Signaled(_) | Ending::Vanished) => ProcessState::Killed,
        None if process.stopped_since.is_some() => ProcessState::Stopped,
        None => ProcessState::Running,
    }
}

pub(super) fn agent(engine: &Engine) -> AgentHealth {
    let mut agent = engine.agent.clone();
    if engine.book.dropped > 0 {
        agent
            .dropped
            .insert("incidents".to_owned(), engine.book.dropped);
    }
    let adapters = engine.model.processes.values();
    let faults = adapters.filter_map(|process| Some(process.work.adapter.as_ref()?.faults));
    let faults = faults.fold(0, u64::saturating_add);
    if faults > 0 {
        agent.dropped.insert("adapter faults".to_owned(), faults);
    }
    let open = engine.book.incidents().filter(|incident| {
        incident.subject.kind == crate::report::IncidentKind::ObserverDegraded && incident.is_open()
    });
    agent.notes = open
        .filter_map(|incident| incident.diagnosis.note.clone())
        .collect();
    agent
}

/// Mebibytes with two digits after the point.
pub(super) fn mebibytes(bytes: u64) -> f64 {
    (bytes as f64 / MEBIBYTE * 100.0).round() / 100.0
}

/// Percent with one digit after the point.
pub(super) fn percent(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// A ratio with four digits; absent where there is nothing to divide by.
fn ratio(part: Nanos, whole: Nanos) -> Option<f64> {
    (whole.0 > 0).then(|| (part.0 as f64 / whole.0 as f64 * 1e4).round() / 1e4)
}
