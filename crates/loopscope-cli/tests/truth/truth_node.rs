//! Node.js, for the basics: the stall and its length, without frames.

use crate::support::{Scenario, Stall, alone, fixture};

fn node(what: &str) -> Scenario {
    let server = fixture("node_server.js").display().to_string();
    Scenario::command(vec!["node".into(), server, what.into()]).loops(1)
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
