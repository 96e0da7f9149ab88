//! Loops that their own code stalls.

use loopscope_engine::report::{IncidentKind, LoopState, Severity, StallCause, Status};
use rustix::process::Signal;

use crate::support::{
    EventLoop, PATIENCE, Running, Scenario, Stall, exit_code, get, is_bare, on_every_loop,
    on_every_python, same,
};

const CHAIN: &[&str] = &["handle_request", "load_user"];

fn call(name: &'static str, function: &'static str) -> Stall {
    Stall::blocking(name, function).in_task(format!("request-{name}"), CHAIN)
}

fn standard_library_calls(event_loop: EventLoop) -> Vec<Stall> {
    let calls = [
        call("sleep", "block_sleep")
            .advised("asyncio.sleep", Some("ASYNC251"))
            .holding_the_gil(false),
        call("python_loop", "block_python_loop"),
        call("regex", "block_regex").holding_the_gil(true),
        call("bigint", "block_bigint").holding_the_gil(true),
        call("socket", "block_socket").holding_the_gil(false),
        call("urllib", "block_urllib")
            .advised("httpx", Some("ASYNC210"))
            .holding_the_gil(false),
        call("subprocess", "block_subprocess").advised("create_subprocess", Some("ASYNC221")),
        call("sqlite", "block_sqlite")
            .advised("aiosqlite", None)
            .holding_the_gil(false),
    ];
    calls
        .into_iter()
        .map(|stall| stall.on(event_loop.name()))
        .collect()
}

#[test]
fn each_blocking_call_is_found_while_it_lasts_with_its_line_and_await_chain() {
    on_every_loop(&[], |python, event_loop| {
        let stalls = standard_library_calls(event_loop);
        let names: Vec<_> = stalls.iter().map(|stall| stall.name).collect();
        Scenario::python(python, "stall_calls.py", &names)
            .on(event_loop)
            .loops(1)
            .expect(stalls)
            .check()
    });
}

#[test]
fn blocking_calls_inside_installed_packages_are_blamed_on_the_line_that_made_them() {
    on_every_python(&["requests", "psycopg"], |python| {
        let stalls = [
            call("requests", "block_requests").advised("httpx", Some("ASYNC210")),
            call("psycopg", "block_psycopg").advised("AsyncConnection", None),
        ];
        Scenario::python(python, "stall_calls.py", &["requests", "psycopg"])
            .expect(stalls)
            .check()
    });
}

#[test]
fn of_two_loops_only_the_blocked_one_is_reported() {
    on_every_loop(&[], |python, event_loop| {
        let stall = Stall::blocking("second_loop", "block").on(event_loop.name());
        Scenario::python(python, "stall_two_loops.py", &[])
            .on(event_loop)
            .loops(2)
            .expect([stall])
            .check()
    });
}

/// Each loop takes the place of the one before, whose stall it ends.
fn reruns(place: &'static str, stalls: usize) {
    on_every_loop(&[], |python, event_loop| {
        let stall = Stall::blocking("rerun", "block").times(stalls);
        Scenario::python(python, "stall_reruns.py", &[place, &stalls.to_string()])
            .on(event_loop)
            .loops(1)
            .expect([stall.on(event_loop.name())])
            .check()
    });
}

#[test]
fn a_stall_ends_with_its_run_when_the_next_run_follows_at_once() {
    reruns("main", 3);
}

#[test]
fn a_stall_ends_with_its_thread_when_the_next_thread_follows_at_once() {
    reruns("threads", 1);
}

#[test]
fn a_worker_that_keeps_the_loop_from_running_is_blamed_itself() {
    on_every_loop(&[], |python, event_loop| {
        let stall = Stall::blocking("worker_regex", "worker").holding_the_gil(true);
        Scenario::python(python, "stall_worker_gil.py", &[])
            .on(event_loop)
            .loops(1)
            .expect([stall.on(event_loop.name())])
            .check()
    });
}

#[test]
fn thirty_short_stalls_are_all_counted() {
    on_every_loop(&[], |python, event_loop| {
        let stall = Stall::blocking("thirty", "main").times(30).brief(0.119);
        Scenario::python(python, "stall_thirty.py", &[])
            .on(event_loop)
            .loops(1)
            .expect([stall])
            .check()
    });
}

#[test]
fn a_storm_of_callbacks_is_an_overload_and_names_who_shares_the_time() {
    on_every_loop(&[], |python, event_loop| {
        let stall = Stall::without_culprit("storm")
            .caused_by(StallCause::Overload)
            .shared_by(&["parse_event"]);
        Scenario::python(python, "stall_storm.py", &[])
            .on(event_loop)
            .loops(1)
            .expect([stall])
            .check()
    });
}

#[test]
fn a_stall_that_never_ends_turns_blocked_and_health_answers_503() {
    on_every_python(&[], |python| {
        let ended = Scenario::python(python, "stall_endless.py", &[])
            .env("LOOPSCOPE_BLOCKED_THRESHOLD_MS", "1000")
            .observe(|running| {
                running.ready()?;
                if !is_bare() {
                    degraded_then_critical(running)?;
                }
                running.signal(Signal::TERM);
                Ok(())
            })?;
        same("exit code", &(128 + 15), &exit_code(ended.status))?;
        let Some(report) = ended.report else {
            return Ok(());
        };
        let kinds: Vec<_> = report
            .incidents
            .iter()
            .map(|incident| incident.kind)
            .collect();
        same(
            "what the final report holds",
            [IncidentKind::LoopStall].as_slice(),
            kinds.as_slice(),
        )
    });
}

fn degraded_then_critical(running: &Running) -> Result<(), String> {
    running.until_answer("a degraded answer", |answer| {
        answer.code == 200 && answer.report.status == Status::Degraded
    })?;
    let critical = running.until_answer("a critical answer", |answer| answer.code == 503)?;
    let report = critical.report;
    let incident = report.incidents.first().ok_or("503 without an incident")?;
    let function = incident
        .culprit
        .as_ref()
        .map(|culprit| culprit.function.as_str());
    let states: Vec<_> = report
        .detailed_health
        .event_loops
        .iter()
        .map(|l| l.state)
        .collect();
    same("status", &Status::Critical, &report.status)?;
    same("severity", &Severity::Critical, &incident.severity)?;
    same("end", &None, &incident.closed_at)?;
    same("culprit", &Some("main"), &function)?;
    same("blocked loops", &1, &report.monitoring.blocked_loops)?;
    same(
        "loop states",
        [LoopState::Blocked].as_slice(),
        states.as_slice(),
    )?;
    let ready = get(running.address()?, "/readyz", PATIENCE).map_err(|error| error.to_string())?;
    same("code of /readyz", &503, &ready.code)
}
