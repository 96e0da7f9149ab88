//! Node.js, for the basics: the stall and its length, without frames.

use std::net::SocketAddr;

use crate::support::{PATIENCE, Running, Scenario, Stall, alone, fixture, get, is_bare};

fn node(what: &str) -> Scenario {
    let server = fixture("node_server.js").display().to_string();
    Scenario::command(vec!["node".into(), server, what.into()]).loops(1)
}

/// A server that has served nobody yet.
fn fresh_node() -> Scenario {
    let server = fixture("node_first.js").display().to_string();
    Scenario::command(vec!["node".into(), server]).loops(1)
}

fn require(result: Result<(), String>) {
    if let Err(problems) = result {
        panic!("\n{problems}");
    }
}

#[test]
fn a_busy_node_server_is_found_while_it_is_busy() {
    let _alone = alone();
    require(
        node("block")
            .expect([Stall::without_culprit("node").on("node")])
            .check(),
    );
}

#[test]
fn a_healthy_node_server_raises_nothing() {
    let _alone = alone();
    require(node("healthy").check());
}

/// Calls the fresh server at each of these paths.
fn call(running: &Running, paths: &[&str]) -> Result<(), String> {
    let port = running.until("its port", |notes| {
        let port = notes.others().find_map(|said| said.get("port")?.as_u64());
        port.and_then(|port| u16::try_from(port).ok())
    })?;
    if !is_bare() {
        running.until_answer("a loop", |answer| {
            !answer.report.detailed_health.event_loops.is_empty()
        })?;
    }
    for path in paths {
        get(SocketAddr::from(([127, 0, 0, 1], port)), path, PATIENCE)
            .map_err(|error| format!("{path}: {error}"))?;
    }
    Ok(())
}

#[test]
fn the_very_first_request_of_a_node_server_is_found_while_it_blocks() {
    let _alone = alone();
    require(
        fresh_node()
            .expect([Stall::without_culprit("node").on("node")])
            .check_while(|running| call(running, &["/block", "/end"])),
    );
}

#[test]
fn the_first_requests_of_a_healthy_node_server_raise_nothing() {
    let _alone = alone();
    require(fresh_node().check_while(|running| call(running, &["/", "/end"])));
}
