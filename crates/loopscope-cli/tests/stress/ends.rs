//! Runs that do not come to their end: what was measured by then is kept.

use std::process::Stdio;
use std::thread;

use loopscope_load::results::{RunEnd, Verdict};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::command::{Ran, finish, results, stress};
use crate::server::service;

#[test]
fn ctrl_c_ends_a_run_and_keeps_what_was_measured() {
    let served = service();
    let home = TempDir::new().unwrap();
    let file = home.path().join("results.json");
    let url = served.url();
    let words = [
        &url,
        "--endpoint",
        "GET",
        "/ok",
        "--duration",
        "1h",
        "--output",
        file.to_str().unwrap(),
        "--save-baseline",
        "partial",
    ];
    let mut command = stress(home.path(), &words);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    served.until_answered(100);
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    let ran = Ran {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    };
    assert_eq!(ran.code, 130, "{ran:?}");
    assert!(ran.stdout.contains("interrupted after"), "{ran:?}");
    let results = results(&file, &ran);
    assert_eq!(results.ended, RunEnd::Interrupted);
    assert!(
        results.loads[0].sum(|round| round.answered) >= 50,
        "{results:?}"
    );
    assert!(ran.stderr.contains("the baseline was not saved"), "{ran:?}");
    assert!(
        !home
            .path()
            .join("loopscope/baselines/partial.json")
            .exists()
    );
}

#[test]
fn a_target_that_dies_half_way_is_unreachable_with_what_was_measured() {
    let served = service();
    let home = TempDir::new().unwrap();
    let file = home.path().join("results.json");
    let url = served.url();
    let words = [
        &url,
        "--endpoint",
        "GET",
        "/ok",
        "--duration",
        "1h",
        "--output",
        file.to_str().unwrap(),
    ];
    let command = stress(home.path(), &words);
    let running = thread::spawn(move || finish(command));
    served.until_answered(100);
    served.die();
    let ran = running.join().unwrap();
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stdout.contains("the service was gone after"), "{ran:?}");
    assert!(ran.stdout.contains("× connection refused"), "{ran:?}");
    let results = results(&file, &ran);
    assert_eq!(
        (results.ended, results.verdict),
        (RunEnd::TargetGone, Verdict::Failed)
    );
    assert!(
        results.loads[0].sum(|round| round.answered) >= 50,
        "{results:?}"
    );
}
