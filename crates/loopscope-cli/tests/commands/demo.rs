//! `loopscope demo`: a stranger sees what is wrong, where, and what to write.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::loopscope;

#[test]
fn the_demo_shows_its_faults_with_their_lines_and_ends_by_itself() {
    let runtime = tempfile::tempdir().unwrap();
    let mut command = loopscope(&runtime.path().join("rt"));
    command.args(["demo", "--for", "11s", "--listen", "127.0.0.1:0"]);
    let output = command.output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{shown}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for expected in [
        "blocking call",
        "in fetch_rates",
        "invoice (shop.py:",
        "await asyncio.sleep(",
        "holds      the interpreter's lock",
        "/health answered in",
        "Summary",
        "curl -s http://127.0.0.1:",
    ] {
        assert!(shown.contains(expected), "no {expected:?} in:\n{shown}");
    }
}

#[test]
fn without_python_the_demo_says_what_is_missing() {
    let runtime = tempfile::tempdir().unwrap();
    let output = loopscope(runtime.path())
        .arg("demo")
        .env("PATH", runtime.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(69), "{said}");
    assert!(said.contains("needs python3"), "{said}");
    assert!(said.contains("hint: install Python 3.9 or newer"), "{said}");
}

#[test]
fn a_service_that_does_not_start_is_told_of_and_not_summed_up() {
    let folder = tempfile::tempdir().unwrap();
    let python = folder.path().join("python3");
    // Tells its version, and fails at everything else.
    let script = "#!/bin/sh\n[ \"$1\" = -c ] && echo \"3 12 $0\" && exit\nexit 1\n";
    fs::write(&python, script).unwrap();
    fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = loopscope(&folder.path().join("rt"));
    command.args(["demo", "--listen", "127.0.0.1:0"]);
    let output = command.env("PATH", folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(69), "{said}");
    assert!(said.contains("the sample service did not start"), "{said}");
    assert!(!String::from_utf8_lossy(&output.stdout).contains("Summary"));
}
