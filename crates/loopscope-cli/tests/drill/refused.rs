//! What is refused: what is not there, is another user's, or cannot be spoken with.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;

use loopscope_drill::Fault;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::command::{drill, finish};

#[test]
fn without_python_it_says_what_is_missing() {
    let folder = TempDir::new().unwrap();
    let mut command = drill(&[]);
    // By its whole path: there is none to find it on.
    let ran = finish(
        command
            .env("PATH", folder.path())
            .env("LOOPSCOPE_RUNTIME_DIR", folder.path()),
    );
    assert_eq!(ran.code, 69, "{ran:?}");
    assert!(ran.stderr.contains("needs python3"), "{ran:?}");
    assert!(
        ran.stderr.contains("hint: install Python 3.9 or newer"),
        "{ran:?}"
    );
}

#[test]
fn the_faults_are_told() {
    let ran = finish(&mut drill(&["--list"]));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.stdout.lines().count(), Fault::ALL.len(), "{ran:?}");
}

#[test]
fn what_is_not_here_is_told_apart() {
    let told = |words: &[&str]| finish(&mut drill(words));
    let ran = told(&["4194305", "--yes"]);
    assert!(
        ran.code == 3 && ran.stderr.contains("no such process"),
        "{ran:?}"
    );
    let ran = told(&["http://127.0.0.1:1", "--yes"]);
    assert!(
        ran.code == 3 && ran.stderr.contains("connection refused"),
        "{ran:?}"
    );
    let ran = told(&["http://192.0.2.1:14159", "--yes"]);
    assert!(
        ran.code == 64 && ran.stderr.contains("this machine alone"),
        "{ran:?}"
    );
    let ran = told(&["--only", "fire"]);
    assert!(
        ran.code == 64 && ran.stderr.contains("there are healthy, sleep"),
        "{ran:?}"
    );
    let ran = told(&["--output", "/nowhere/results.json"]);
    assert!(
        ran.code == 74 && ran.stderr.contains("create the folder"),
        "{ran:?}"
    );
}

#[test]
fn a_process_of_another_user_is_refused() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let mut other = std::process::Command::new("setpriv")
        .args(["--reuid=65534", "--clear-groups", "sleep", "60"])
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", other.id());
    while !fs::read_to_string(&status).unwrap().contains("Uid:\t65534") {
        std::thread::yield_now();
    }
    let ran = finish(&mut drill(&[&other.id().to_string(), "--yes"]));
    let _ = kill_process(Pid::from_child(&other), Signal::KILL);
    let _ = other.wait();
    assert_eq!(ran.code, 77, "{ran:?}");
    assert!(ran.stderr.contains("another user (uid 65534)"), "{ran:?}");
}

#[test]
fn an_agent_that_speaks_another_version_and_one_that_says_nothing_are_told() {
    let folder = TempDir::new().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let own = std::process::id();
    let listener = UnixListener::bind(folder.path().join(format!("{own}.drill"))).unwrap();
    let drilled =
        || finish(drill(&[&own.to_string(), "--yes"]).env("LOOPSCOPE_RUNTIME_DIR", folder.path()));
    let old = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"{\"protocol\": 7}\n").unwrap();
        // The next one is never taken from the queue.
        listener
    });
    let ran = drilled();
    assert_eq!(ran.code, 69, "{ran:?}");
    assert!(ran.stderr.contains("speaks version 7 of drills"), "{ran:?}");
    assert!(
        ran.stderr.contains("hint: start the service again"),
        "{ran:?}"
    );
    let listener = old.join().unwrap();
    let ran = drilled();
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(
        ran.stderr.contains("another drill is under way in it"),
        "{ran:?}"
    );
    drop(listener);
    let ran = drilled();
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stderr.contains("it takes no drill"), "{ran:?}");
}
