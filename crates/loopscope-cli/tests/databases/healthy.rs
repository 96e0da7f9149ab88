//! Drivers under load that are used as they should be: nothing is to be found.

use loopscope_engine::report::IncidentKind;

use crate::cluster::Cluster;
use crate::harness::{Watched, pythons};

/// What would be a false alarm. A machine that is too busy for a loop is none.
const ALARMS: [IncidentKind; 8] = [
    IncidentKind::BlockingCall,
    IncidentKind::SlowCall,
    IncidentKind::CallFailure,
    IncidentKind::SlowQuery,
    IncidentKind::ConnectionFailure,
    IncidentKind::ConnectionLeak,
    IncidentKind::PoolExhaustion,
    IncidentKind::ObserverDegraded,
];

#[test]
fn a_healthy_service_raises_nothing_with_any_driver() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    for python in pythons() {
        for driver in [
            "psycopg",
            "psycopg2",
            "sqlite3",
            "psycopg-async",
            "asyncpg",
            "aiosqlite",
            "sqlalchemy-psycopg2",
            "sqlalchemy-asyncpg",
            "sqlalchemy-psycopg",
        ] {
            let ended = Watched::start(&python, "healthy.py", driver, &cluster).finish();
            assert_eq!(ended.code, Some(0), "{driver}: {}", ended.stderr);
            for kind in ALARMS {
                let found = ended.incidents(kind);
                assert!(
                    found.is_empty(),
                    "{driver} on {}: {found:#?}",
                    python.display()
                );
            }
            assert_eq!(ended.call("SELECT ?").started, 360, "{driver}");
            let database = ended.database();
            assert_eq!(database.connections_open, 0, "{driver}: {database:#?}");
            assert_eq!(
                ended.report.detailed_health.agent.dropped.len(),
                0,
                "{driver}"
            );
        }
    }
}
