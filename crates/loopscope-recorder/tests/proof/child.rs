//! Processes of our own: this very test program, started anew for one thing.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use loopscope_recorder::folder::RuntimeFolder;
use loopscope_recorder::writer::{LoopWriter, Recording};

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

fn stall_for_ever(stamps: LoopWriter, poll_key: u64, mut after_each: impl FnMut()) {
    let mut now = 1;
    loop {
        stamps.leave_poll(now, now);
        stamps.enter_poll(now + declared_nanos(poll_key), true);
        now += declared_nanos(poll_key);
        after_each();
    }
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
        let stamps = recording.claim_loop(&loop_spec(poll_key)).unwrap();
        thread::spawn(move || stall_for_ever(stamps, poll_key, || {}));
    }
    let stamps = recording.claim_loop(&loop_spec(0)).unwrap();
    stall_for_ever(stamps, 0, || {
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
