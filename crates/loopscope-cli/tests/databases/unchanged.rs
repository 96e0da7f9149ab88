//! What a program sees of its drivers is what it sees without Loopscope.

use crate::cluster::Cluster;
use crate::harness::{Watched, bare, pythons};

#[test]
fn odd_uses_come_out_the_same() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    for python in pythons() {
        for driver in ["sqlite3", "psycopg2", "psycopg", "asyncpg", "sqlalchemy"] {
            let expected = bare(&python, "odd.py", driver, &cluster);
            let said = String::from_utf8_lossy(&expected.stderr);
            assert!(expected.status.success(), "{driver}: {said}");
            let ended = Watched::start(&python, "odd.py", driver, &cluster).finish();
            let stdout = String::from_utf8_lossy(&expected.stdout);
            let lines: Vec<&str> = stdout.lines().collect();
            assert_eq!(lines, ended.stdout, "{driver} on {}", python.display());
            assert_eq!(ended.code, Some(0), "{driver}: {}", ended.stderr);
            let own = ended.stderr.lines();
            let own: Vec<&str> = own
                .filter(|line| !line.starts_with("loopscope: "))
                .collect();
            assert_eq!(own, said.lines().collect::<Vec<_>>(), "{driver}");
            assert!(ended.database().queries > 10, "{driver} was watched");
            assert_eq!(
                ended.report.detailed_health.agent.dropped.len(),
                0,
                "{driver}"
            );
        }
    }
}
