//! Drills that do not come to their end: whatever was brought in is undone.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::command::{drill, finish, pythons};
use crate::service::Service;

/// A service in which growth takes longer to be found than it takes to end the drill.
fn growing_slowly() -> Service {
    Service::start(
        &pythons().1,
        "none",
        &["--allow-drill", "--trend-pace", "10"],
    )
}

/// A drill that lets tasks leak, once these are many.
fn leaking(service: &Service) -> Child {
    let mut command = drill(&[
        &service.health,
        "--yes",
        "--only",
        "task-leak",
        "--only",
        "memory",
    ]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(said.any(|line| line.unwrap().contains("task-leak: ")));
    std::thread::spawn(move || said.for_each(drop));
    until(|| tasks(service) > 4);
    child
}

fn tasks(service: &Service) -> u64 {
    service.get("/state")["drill_tasks"].as_u64().unwrap()
}

fn until(is_so: impl Fn() -> bool) {
    let patience = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < patience, "it never came");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn ctrl_c_and_the_drill_s_death_undo_what_is_under_way_and_another_one_may_follow() {
    let service = growing_slowly();
    let unconfirmed = finish(&mut drill(&[&service.health]));
    assert_eq!(unconfirmed.code, 64, "{unconfirmed:?}");
    assert!(
        unconfirmed.stderr.contains("hint: add --yes"),
        "{unconfirmed:?}"
    );
    let child = leaking(&service);
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(130), "{shown}");
    assert!(
        shown.contains("interrupted after") && shown.contains("cut short, and undone"),
        "{shown}"
    );
    assert_eq!(tasks(&service), 0);
    let mut child = leaking(&service);
    child.kill().unwrap();
    child.wait().unwrap();
    until(|| tasks(&service) == 0);
    until(|| service.get("/state")["threads"].as_array().unwrap().len() == 2);
    // The way is free for the next one.
    let ran = finish(&mut drill(&[
        &service.pid().to_string(),
        "--yes",
        "--only",
        "sleep",
    ]));
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn a_target_that_dies_meanwhile_is_told_and_nothing_hangs() {
    let service = growing_slowly();
    let pid = service.pid();
    let child = leaking(&service);
    let target = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(target, Signal::KILL).unwrap();
    let output = child.wait_with_output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3), "{shown}");
    assert!(shown.contains("the service was gone after"), "{shown}");
}
