//! Connections that are used behind a fork, or on another loop than their own.

use loopscope_engine::report::{IncidentKind, Severity};

use crate::cluster::Cluster;
use crate::harness::{Ended, Watched, pythons};

/// Runs the program in this mode on each interpreter; nothing where there is no server.
fn ended(mode: &str) -> Vec<Ended> {
    let Some(cluster) = Cluster::start() else {
        return Vec::new();
    };
    let run = |python: &std::path::PathBuf| {
        let mut watched = Watched::start(python, "shared.py", mode, &cluster);
        assert!(watched.until("used"));
        watched.go_on();
        let ended = watched.finish();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        ended
    };
    pythons().iter().map(run).collect()
}

/// There is one, it is this bad, and it blames the line in this function.
fn check_found(mode: &str, severity: Severity, function: &str) {
    for ended in ended(mode) {
        let found = ended.incidents(IncidentKind::ConnectionShared);
        let [found] = &found[..] else {
            panic!("{found:#?}");
        };
        assert_eq!(found.severity, severity, "{found:#?}");
        let culprit = found.culprit.as_ref().unwrap();
        assert!(culprit.file.ends_with("shared.py"), "{found:#?}");
        assert_eq!(culprit.function, function, "{found:#?}");
    }
}

fn check_silence(mode: &str) {
    for ended in ended(mode) {
        assert_eq!(ended.report.incidents, [], "{mode}");
    }
}

#[test]
fn a_pool_that_is_used_behind_a_fork_is_told_with_the_line() {
    check_found("fork", Severity::Critical, "use");
}

#[test]
fn a_pool_of_each_process_raises_nothing() {
    check_silence("forks");
}

#[test]
fn a_pool_that_is_used_on_another_loop_is_told_with_the_line() {
    check_found("loop", Severity::Degraded, "on_loop");
}

#[test]
fn a_pool_of_each_loop_raises_nothing() {
    check_silence("loops");
}
