//! Processes of our own: this very test program, started anew for one thing.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use loopscope_recorder::folder::RuntimeFolder;
use loopscope_recorder::layout::FactKind;
use loopscope_recorder::writer::{FactRecord, Recording, TaskOutcome, TaskSiteSpec};

use crate::{MILLIS, STALL_NANOS, loop_spec, recording_spec};

/// Set in a started process alone; without it the tests below are no tests.
const ROLE: &str = "LOOPSCOPE_TEST_ROLE";

/// Said right before the recording is created.
pub(crate) const BEGINS: u8 = b'<';

/// Loops that [`writes_until_it_is_killed`] stamps at once.
pub(crate) const LOOPS: u64 = 3;

/// The length of every stall of a loop.
pub(crate) fn declared_nanos(poll_key: u64) -> u64 {
    STALL_NANOS + poll_key * 7 * MILLIS
}

/// A command that runs one of the roles below, its streams piped.
pub(crate) fn command(program: &Path, role: &str) -> Command {
    let mut command = Command::new(program);
    command
        .args(["--exact", &format!("child::{role}"), "--nocapture"])
        .env(ROLE, role)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

fn is_asked_to(role: &str) -> bool {
    std::env::var_os(ROLE).is_some_and(|asked| asked == role)
}

fn stall_for_ever(recording: Recording, poll_key: u64, mut after_each: impl FnMut()) {
    let stamps = recording.claim_loop(&loop_spec(poll_key)).unwrap();
    let mut now = 1;
    for turn in 1.. {
        stamps.leave_poll(now, now);
        stamps.enter_poll(now + declared_nanos(poll_key), true);
        now += declared_nanos(poll_key);
        spawn_and_fail(&recording, poll_key, turn);
        after_each();
    }
}

/// A task at a site that is new every few turns, and a fact whose texts tell what its numbers must be.
fn spawn_and_fail(recording: &Recording, poll_key: u64, turn: u64) {
    let (coroutine, message) = (
        format!("work_{}", turn / 16),
        declared_message(poll_key, turn),
    );
    let site = TaskSiteSpec {
        coroutine: &coroutine,
        ..TaskSiteSpec::default()
    };
    let tasks = recording.task_site(&site).unwrap();
    tasks.spawned(1);
    tasks.ended(TaskOutcome::Failed, 1);
    recording.push_fact(&FactRecord {
        subject: Some(poll_key as u32),
        identity: turn,
        message: &message,
        ..FactRecord::new(FactKind::TaskFailed)
    });
}

/// The message of a fact with this subject and identity.
pub(crate) fn declared_message(poll_key: u64, turn: u64) -> String {
    format!("loop {poll_key} turn {turn}").repeat(8)
}

/// Says a byte after each stall of its first loop.
#[test]
fn writes_until_it_is_killed() {
    if !is_asked_to("writes_until_it_is_killed") {
        return;
    }
    let mut out = std::io::stdout();
    out.write_all(&[BEGINS]).unwrap();
    out.flush().unwrap();
    let folder = RuntimeFolder::open_default().unwrap();
    let recording = Recording::create(&folder, &recording_spec()).unwrap();
    for poll_key in 1..LOOPS {
        thread::spawn(move || stall_for_ever(recording, poll_key, || {}));
    }
    stall_for_ever(recording, 0, || {
        // A pipe that nobody reads any more: the parent is about to kill us.
        let _ = out.write_all(b".").and_then(|()| out.flush());
    });
}

/// Makes a recording where its user may, says so, and ends when its input does.
#[test]
fn records_where_it_may() {
    if !is_asked_to("records_where_it_may") {
        return;
    }
    let folder = RuntimeFolder::open_default().unwrap();
    Recording::create(&folder, &recording_spec()).unwrap();
    println!("recording in {}", folder.path().display());
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}
