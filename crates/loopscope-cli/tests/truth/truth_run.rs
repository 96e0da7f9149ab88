//! What `loopscope run` does to a program's end, its signals and its streams: nothing.

use std::io::{Read, Write};
use std::thread;

use rustix::process::Signal;

use crate::support::{
    Launch, Python, Running, Scenario, exit_code, fixture, on_newest_python, same,
};

fn behave(python: &Python, arguments: &[&str]) -> Scenario {
    Scenario::python(python, "behave.py", arguments)
}

fn ends_with(what: &'static [&'static str], code: i32) {
    on_newest_python(&[], |python| {
        let ended = behave(python, what).observe(|_| Ok(()))?;
        same("exit code", &code, &exit_code(ended.status))
    });
}

#[test]
fn an_exit_code_of_zero_is_passed_on() {
    ends_with(&["exit", "0"], 0);
}

#[test]
fn an_exit_code_of_three_is_passed_on() {
    ends_with(&["exit", "3"], 3);
}

#[test]
fn a_death_by_sigterm_is_passed_on_as_143() {
    ends_with(&["kill", "15"], 143);
}

#[test]
fn a_death_by_sigkill_is_passed_on_as_137() {
    ends_with(&["kill", "9"], 137);
}

/// Runs the fixture that handles its signals, sends some, and expects it to leave as it means to.
fn leaves_in_good_order(signal: Signal) {
    on_newest_python(&[], |python| {
        let ended = behave(python, &["signals"]).observe(|running| {
            running.ready()?;
            running.signal(Signal::USR1);
            said(running, "received")?;
            running.signal(signal);
            said(running, "left")
        })?;
        same("exit code", &7, &exit_code(ended.status))
    });
}

fn said(running: &Running, key: &str) -> Result<(), String> {
    running.until(key, |notes| notes.other_with(key).then_some(()))
}

#[test]
fn sigusr1_and_sigterm_reach_the_target_which_leaves_with_its_own_code() {
    leaves_in_good_order(Signal::TERM);
}

#[test]
fn sigint_reaches_the_target_which_leaves_with_its_own_code() {
    leaves_in_good_order(Signal::INT);
}

#[test]
fn a_signal_to_the_target_itself_reaches_nobody_else() {
    on_newest_python(&[], |python| {
        let ended = behave(python, &["signals"]).observe(|running| {
            let target = running.ready()?;
            running.signal_pid(target, Signal::USR1);
            said(running, "received")?;
            running.signal_pid(target, Signal::TERM);
            Ok(())
        })?;
        same("exit code", &7, &exit_code(ended.status))
    });
}

/// Bytes of every value, longer than any pipe's buffer.
fn every_byte() -> Vec<u8> {
    (0..1_000_003_u32)
        .map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}

#[test]
fn stdin_stdout_and_stderr_are_the_targets_own_byte_for_byte() {
    on_newest_python(&[], |python| {
        let program = fixture("behave.py").display().to_string();
        let target = vec![python.path.display().to_string(), program, "echo".into()];
        let mut launched = Launch::new(target).without_health().start();
        let sent = every_byte();
        let mut stdin = launched.child.stdin.take().expect("stdin is piped");
        let mut stdout = launched.child.stdout.take().expect("stdout is piped");
        let mut stderr = launched.child.stderr.take().expect("stderr is piped");
        let (mut echoed, mut complement) = (Vec::new(), Vec::new());
        thread::scope(|scope| {
            scope.spawn(|| {
                stdin.write_all(&sent).expect("the target reads its stdin");
                drop(stdin);
            });
            scope.spawn(|| stderr.read_to_end(&mut complement).expect("stderr reads"));
            stdout.read_to_end(&mut echoed).expect("stdout reads");
        });
        let inverted: Vec<_> = sent.iter().map(|byte| !byte).collect();
        same("stdout is what went in", &true, &(echoed == sent))?;
        // Loopscope writes lines of its own to the same stderr; the target's bytes stay whole and in order.
        same(
            "stderr has the target's bytes",
            &true,
            &contains_in_order(&complement, &inverted),
        )
    });
}

/// Whether `whole` is `part` with lines before and after it: nothing in between is possible before the
/// first finding, and this target has none.
fn contains_in_order(whole: &[u8], part: &[u8]) -> bool {
    whole.windows(part.len()).any(|window| window == part)
}

#[test]
fn arguments_and_environment_reach_the_target_as_they_are() {
    on_newest_python(&[], |python| {
        let ended = behave(python, &["environment", "--", "-x", "a b", "--listen", ""])
            .env("TRUTH_MARKER", "kept")
            .observe(|_| Ok(()))?;
        let said = ended.notes.others().next().ok_or("nothing said")?;
        let expected = serde_json::json!(["environment", "--", "-x", "a b", "--listen", ""]);
        same("arguments", &expected, &said["arguments"])?;
        same("environment", &serde_json::json!("kept"), &said["marker"])
    });
}
