//! `loopscope drill` alone: every fault, on a sample service of its own, with the oldest interpreter.

use loopscope_drill::Fault;
use loopscope_drill::results::{DrillEnd, Verdict};
use tempfile::TempDir;

use crate::command::{drill, finish, path_with, pythons};

#[test]
fn alone_it_drills_a_sample_service_and_sees_every_fault_and_nothing_healthy() {
    let folder = TempDir::new().unwrap();
    let mut command = drill(&["--json"]);
    command
        .env("PATH", path_with(&pythons().0, folder.path()))
        .env("LOOPSCOPE_RUNTIME_DIR", folder.path().join("runtime"))
        .env("LOOPSCOPE_BLOCKED_THRESHOLD_MS", "1500");
    let ran = finish(&mut command);
    assert_eq!(ran.code, 0, "{ran:?}");
    let results: loopscope_drill::results::Results = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(
        (results.ended, results.verdict),
        (DrillEnd::Complete, Verdict::Passed)
    );
    assert!(results.target.is_sample && results.target.service == "drill-sample");
    let faults: Vec<_> = results.faults.iter().map(|one| one.fault).collect();
    assert_eq!(faults, Fault::ALL);
    for fault in &results.faults {
        assert_eq!(fault.verdict, Verdict::Passed, "{fault:?}");
        assert!(fault.undone.is_some(), "{fault:?}");
        assert_eq!(fault.health.unanswered, 0, "{fault:?}");
        assert!(!fault.probes.live_failed, "{fault:?}");
        assert!(ran.stderr.contains(fault.fault.name()), "{ran:?}");
    }
    // The sample service and its supervisor ended with the drill.
    let left = std::fs::read_dir(folder.path().join("runtime")).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().path()).collect();
    let sockets = left
        .iter()
        .filter(|path| path.extension().is_some_and(|end| end == "drill"));
    assert_eq!(sockets.count(), 0, "{left:?}");
}
