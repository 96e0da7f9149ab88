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
fn without_python_the_demo_shows_the_service_in_rust_and_says_so() {
    let runtime = tempfile::tempdir().unwrap();
    let output = loopscope(&runtime.path().join("rt"))
        .args(["demo", "--for", "1s", "--listen", "127.0.0.1:0"])
        .env("PATH", runtime.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("needs python3"), "{said}");
    assert!(said.contains("as with --rust"), "{said}");
    assert!(said.contains("hint: install Python 3.9 or newer"), "{said}");
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(shown.contains("on two workers of tokio"), "{shown}");
    assert!(shown.contains("loopscope run -- ./service"), "{shown}");
}

/// Faults of the service in Rust: the text of a line, the function that it is in, and what is advised, where that does
/// not depend on how busy the machine is.
const FAULTS: [(&str, &str, Option<&str>); 3] = [
    (
        "thread::sleep(Duration::from_millis(1200))",
        "fetch_rate",
        Some("tokio::time::sleep(...).await"),
    ),
    (
        "shop.shelves.lock().map_or(0, |shelves| shelves.len())",
        "left_on_shelves",
        Some("tokio::sync::Mutex"),
    ),
    ("black_box(goods + (place & 7))", "count_shelf", None),
];

/// Each finding that is shown: what it is called, and where it is.
fn findings(shown: &str) -> Vec<(&str, &str)> {
    let mut title = "";
    let mut all = Vec::new();
    for line in shown.lines() {
        if let Some(called) = line.strip_prefix("▌ ") {
            title = called.split("  ").next().unwrap_or(called);
        } else if let Some(place) = line.strip_prefix("    at ") {
            all.push((title, place.trim()));
        }
    }
    all
}

#[test]
fn the_demo_in_rust_shows_each_fault_with_its_line_and_nothing_of_what_is_healthy() {
    let runtime = tempfile::tempdir().unwrap();
    let mut command = loopscope(&runtime.path().join("rt"));
    command.args(["demo", "--rust", "--for", "6s", "--listen", "127.0.0.1:0"]);
    let output = command.output().unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{shown}\n{said}");
    let source = include_str!("../../src/demo/shop.rs");
    let expected = FAULTS.map(|(text, function, _)| {
        let line = source.lines().position(|line| line.contains(text));
        let line = line.unwrap() + 1;
        format!("shop.rs:{line} in loopscope::demo::shop::{function}")
    });
    let found = findings(&shown);
    for place in &expected {
        let is_shown = found.iter().any(|(_, at)| at == place);
        assert!(is_shown, "not at {place}:\n{shown}\n{said}");
    }
    // That of a machine with other work is no fault of the service.
    let mut blamed = found.iter().filter(|(title, _)| *title != "no processor");
    assert!(
        blamed.all(|(_, at)| expected.iter().any(|place| at == place)),
        "{shown}\n{said}"
    );
    for advice in FAULTS.iter().filter_map(|(.., advice)| *advice) {
        assert!(shown.contains(advice), "no {advice:?} in:\n{shown}");
    }
    assert!(shown.contains("/health answered in"), "{shown}");
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
