//! What tracked calls write down, read as an observer reads it.
#![expect(clippy::unwrap_used, reason = "tests fail by it")]

mod support;

use std::future::Future;
use std::pin::Pin;
use std::thread;
use std::time::Duration;

use loopscope::{Config, Scope, track_call};
use loopscope_recorder::layout::FactKind;
use loopscope_recorder::reader::{CallState, FactEvent};
use tokio::runtime::Runtime;
use tokio::task;
use tokio::time::sleep;

use support::{found, recording};

/// A process has one recording, so all tests here share it.
fn scope() -> Scope {
    let config = Config::from_env().service("tests").monitor(false);
    loopscope::install(config.stall_threshold(STALL)).unwrap()
}

/// What counts as a stall here.
const STALL: Duration = Duration::from_millis(60);
const LONG: Duration = Duration::from_millis(120);

fn call(group: &str, name: &str) -> CallState {
    found(|tables| {
        let mut calls = tables.calls.iter();
        calls
            .find(|state| state.call.group == group && state.call.name == name)
            .cloned()
    })
}

fn facts(kind: FactKind, name: &str) -> Vec<FactEvent> {
    let facts = recording().read_facts().unwrap().events;
    facts
        .into_iter()
        .filter(|fact| fact.kind == kind && fact.name == name)
        .collect()
}

fn runtime(scope: &Scope) -> Runtime {
    let mut builder = scope.runtime_builder("calls");
    let runtime = builder.worker_threads(2).enable_all().build().unwrap();
    // So that each worker has been at rest once.
    runtime.block_on(async { sleep(Duration::from_millis(50)).await });
    runtime
}

#[derive(Debug)]
struct Declined;

impl std::fmt::Display for Declined {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the card was declined")
    }
}

const CHARGE_LINE: u32 = line!() + 3;

#[track_call("plain")]
fn charge(cents: u64) -> Result<u64, Declined> {
    if cents == 0 {
        return Err(Declined);
    }
    Ok(cents)
}

#[track_call("plain", name = "named")]
fn given_a_name(text: &mut String) -> &mut String {
    text.push('x');
    text
}

#[track_call("plain")]
fn iterates(most: u32) -> impl Iterator<Item = u32> {
    0..most
}

struct Agent {
    asked: u32,
}

trait Ask {
    async fn ask(&mut self, prompt: &str) -> Result<String, std::io::Error>;
}

impl Ask for Agent {
    #[track_call("agent")]
    async fn ask(&mut self, prompt: &str) -> Result<String, std::io::Error> {
        self.asked += 1;
        let text = std::str::from_utf8(prompt.as_bytes()).map_err(std::io::Error::other)?;
        if text.is_empty() {
            return Err(std::io::Error::other("nothing to say"));
        }
        sleep(Duration::from_millis(1)).await;
        Ok(text.to_owned())
    }
}

impl Agent {
    #[track_call("agent")]
    fn boxed(&self) -> Pin<Box<dyn Future<Output = Result<u32, Declined>> + Send + '_>> {
        Box::pin(async {
            if self.asked == 0 {
                Err(Declined)
            } else {
                Ok(self.asked)
            }
        })
    }
}

#[async_trait::async_trait]
trait Answers {
    async fn answer(&self) -> Result<u32, Declined>;
}

#[async_trait::async_trait]
impl Answers for Agent {
    #[track_call("agent")]
    async fn answer(&self) -> Result<u32, Declined> {
        task::yield_now().await;
        Err(Declined)
    }
}

#[track_call("agent")]
async fn generic<T: Send, E>(value: Result<T, E>) -> Result<T, E> {
    task::yield_now().await;
    value
}

#[test]
fn calls_are_counted_by_group_and_name_with_how_they_ended() {
    let scope = scope();
    runtime(&scope).block_on(async {
        assert_eq!(charge(7).unwrap(), 7);
        charge(0).unwrap_err();
        assert_eq!(given_a_name(&mut String::new()), "x");
        assert_eq!(iterates(3).sum::<u32>(), 3);
        let mut agent = Agent { asked: 0 };
        agent.boxed().await.unwrap_err();
        assert_eq!(agent.ask("hello").await.unwrap(), "hello");
        agent.ask("").await.unwrap_err();
        agent.answer().await.unwrap_err();
        generic::<u32, Declined>(Err(Declined)).await.unwrap_err();
    });
    let charged = call("plain", "charge");
    assert_eq!(
        (charged.started, charged.finished, charged.failed),
        (2, 2, 1)
    );
    let errors: Vec<_> = charged
        .errors
        .iter()
        .map(|error| (error.error_type.as_str(), error.failed))
        .collect();
    assert_eq!(errors, [("calls::Declined", 1)]);
    assert_eq!(
        (
            call("plain", "named").finished,
            call("plain", "iterates").finished
        ),
        (1, 1)
    );
    let asked = call("agent", "Agent::ask");
    assert_eq!((asked.finished, asked.failed), (2, 1));
    assert_eq!(asked.last_error.as_deref(), Some("std::io::error::Error"));
    for name in ["Agent::boxed", "Agent::answer", "generic"] {
        assert_eq!(
            (call("agent", name).finished, call("agent", name).failed),
            (1, 1),
            "{name}"
        );
    }
    let fact = facts(FactKind::CallFailed, "charge").remove(0);
    assert_eq!(
        (&*fact.error_type, &*fact.message),
        ("calls::Declined", "the card was declined")
    );
    assert!(fact.frames[0].file.ends_with("tests/calls.rs"), "{fact:?}");
    assert_eq!(
        (fact.frames[0].line, &*fact.frames[0].function),
        (CHARGE_LINE, "charge")
    );
}

#[track_call("ends")]
async fn waits(time: Duration) {
    sleep(time).await;
}

#[track_call("ends")]
async fn panics(now: bool) -> u32 {
    task::yield_now().await;
    if now {
        panic!("no such agent");
    }
    1
}

#[track_call("ends")]
fn panics_at_once() -> u32 {
    panic!("no such order")
}

#[test]
fn a_dropped_future_is_a_cancelled_call_and_a_panic_a_failed_one() {
    let scope = scope();
    runtime(&scope).block_on(async {
        tokio::time::timeout(Duration::from_millis(5), waits(LONG * 100))
            .await
            .unwrap_err();
        assert!(task::spawn(panics(true)).await.unwrap_err().is_panic());
        assert!(
            task::spawn(async { panics_at_once() })
                .await
                .unwrap_err()
                .is_panic()
        );
        // One that waits while its task panics is cancelled, and has not panicked.
        let other = task::spawn(async {
            let mut waiting = Box::pin(waits(LONG * 100));
            tokio::select! {
                () = &mut waiting => {}
                () = task::yield_now() => panic!("something else"),
            }
        });
        assert!(other.await.unwrap_err().is_panic());
        assert_eq!(panics(false).await, 1);
    });
    let waited = call("ends", "waits");
    assert_eq!(
        (waited.finished, waited.cancelled, waited.failed),
        (2, 2, 0)
    );
    let panicked = call("ends", "panics");
    assert_eq!((panicked.finished, panicked.failed), (2, 1));
    let fact = facts(FactKind::CallFailed, "panics").remove(0);
    assert_eq!(
        (&*fact.error_type, &*fact.message),
        ("panic", "no such agent")
    );
    let fact = facts(FactKind::CallFailed, "panics_at_once").remove(0);
    assert_eq!(&*fact.message, "no such order");
}

#[track_call("blocks")]
fn sleeps() {
    thread::sleep(LONG);
}

#[track_call("blocks")]
async fn sleeps_in_one_poll() {
    sleep(Duration::from_millis(1)).await;
    thread::sleep(LONG);
    sleep(Duration::from_millis(1)).await;
}

#[track_call("blocks")]
fn steps_aside() {
    task::block_in_place(|| thread::sleep(LONG));
}

#[track_call("blocks")]
async fn awaits() {
    sleep(LONG).await;
}

#[test]
fn a_call_that_keeps_its_worker_is_told_and_one_that_steps_aside_is_not() {
    let scope = scope();
    let runtime = runtime(&scope);
    runtime.block_on(async {
        task::spawn(async { sleeps() }).await.unwrap();
        task::spawn(sleeps_in_one_poll()).await.unwrap();
        task::spawn(async { steps_aside() }).await.unwrap();
        task::spawn(awaits()).await.unwrap();
        task::spawn_blocking(sleeps).await.unwrap();
    });
    let blocked = call("blocks", "sleeps");
    assert_eq!(
        (blocked.finished, blocked.on_loop, blocked.blocking),
        (2, 1, 1)
    );
    assert_eq!(call("blocks", "sleeps_in_one_poll").blocking, 1);
    let told = facts(FactKind::BlockingCall, "sleeps_in_one_poll").remove(0);
    assert!(
        told.ended_nanos.unwrap() - told.started_nanos < 2 * LONG.as_nanos() as u64,
        "its poll alone: {told:?}"
    );
    for healthy in ["steps_aside", "awaits"] {
        assert_eq!(call("blocks", healthy).blocking, 0, "{healthy}");
        assert!(
            facts(FactKind::BlockingCall, healthy).is_empty(),
            "{healthy}"
        );
    }
}

#[test]
fn calls_are_tracked_without_the_attribute_too() {
    let scope = scope();
    let line = line!() + 1;
    let call_guard = scope.call("by hand", "sync");
    call_guard.end(&charge(0));
    drop(scope.call("by hand", format!("made {}", 1)));
    runtime(&scope).block_on(async {
        scope
            .track_call("by hand", "awaited", async { charge(0) })
            .await
            .unwrap_err();
    });
    assert_eq!(call("by hand", "sync").failed, 1);
    assert_eq!(
        (
            call("by hand", "made 1").finished,
            call("by hand", "made 1").failed
        ),
        (1, 0)
    );
    assert_eq!(call("by hand", "awaited").failed, 1);
    assert_eq!(facts(FactKind::CallFailed, "sync")[0].frames[0].line, line);
}
