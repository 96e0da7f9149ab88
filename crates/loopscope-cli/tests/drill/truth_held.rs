//! Pools of a service that a drill holds, each kind that is watched, on a PostgreSQL of the tests' own.

#[path = "../databases/cluster.rs"]
#[expect(dead_code, reason = "the tests of databases use more of it")]
mod cluster;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::thread;

use loopscope_drill::Fault;
use tempfile::TempDir;

use crate::command::{loopscope, pythons, result, results};
use cluster::Cluster;

const PROGRAM: &str = "tests/drill/programs/pools.py";

#[test]
fn each_kind_of_pool_is_held_and_its_connections_are_all_there_afterwards() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    let port = cluster.port;
    thread::scope(|scope| {
        for kind in ["asyncpg", "psycopg", "psycopg_sync", "sqlalchemy"] {
            scope.spawn(move || hold(kind, port));
        }
    });
}

fn hold(kind: &str, port: u16) {
    let folder = TempDir::new().unwrap();
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join(PROGRAM);
    let mut supervisor = loopscope()
        .args(["run", "--allow-drill", "--listen", "127.0.0.1:0", "--"])
        .arg(pythons().1)
        .arg(program)
        .args([kind, &port.to_string()])
        .env("LOOPSCOPE_RUNTIME_DIR", folder.path().join("runtime"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(supervisor.stderr.take().unwrap()).lines();
    let health = said.find_map(|line| {
        let line = line.unwrap();
        let (_, health) = line.split_once("listening on ")?;
        Some(health.to_owned())
    });
    let rest = thread::spawn(move || said.map_while(Result::ok).collect::<Vec<_>>());
    let mut lines = BufReader::new(supervisor.stdout.take().unwrap()).lines();
    let ready = lines.next();
    assert_eq!(
        ready.and_then(Result::ok).as_deref(),
        Some("ready"),
        "{kind}"
    );
    let (ran, results) = results(&[&health.unwrap(), "--yes", "--only", "database"]);
    assert_eq!(ran.code, 0, "{kind}: {ran:?}");
    let database = result(&results, Fault::Database);
    let found = database.found.as_ref().unwrap();
    assert_eq!(found.kind, "pool_exhaustion", "{kind}: {found:?}");
    assert!(
        found.summary.contains("loopscope_drill_pools.py"),
        "{kind}: {found:?}"
    );
    let undone = database.undone.as_deref().unwrap();
    assert!(undone.starts_with("3 connections of "), "{kind}: {undone}");
    drop(supervisor.stdin.take());
    assert!(lines.any(|line| line.unwrap() == "all there"), "{kind}");
    assert!(
        supervisor.wait().unwrap().success(),
        "{kind}: {:?}",
        rest.join()
    );
}
