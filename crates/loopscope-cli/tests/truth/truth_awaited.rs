//! Stalls in tasks that other tasks wait for.

use crate::support::{EventLoop, Python, Scenario, Stall, on_every_loop};

/// How the task `order-WAY` waits for the one that blocks, its function, and the one that blocks.
const WAYS: [(&str, &str); 4] = [
    ("gather", "block_gather"),
    ("wait_for", "block_wait_for"),
    ("shield", "block_shield"),
    ("group", "block_group"),
];

/// The ways that this interpreter knows.
fn ways(python: &Python) -> impl Iterator<Item = (&'static str, &'static str)> {
    let has_groups = python.has("asyncio.TaskGroup");
    WAYS.into_iter()
        .filter(move |(way, _)| *way != "group" || has_groups)
}

fn scenario(python: &Python, event_loop: EventLoop, kind: &str) -> Scenario {
    let mut arguments = vec![kind];
    arguments.extend(ways(python).map(|(way, _)| way));
    Scenario::python(python, "stall_awaited.py", &arguments)
        .on(event_loop)
        .loops(1)
}

#[test]
fn a_stall_two_tasks_deep_names_every_task_that_waits_for_it_with_its_line() {
    on_every_loop(&[], |python, event_loop| {
        let stalls = ways(python).map(|(way, function)| {
            Stall::blocking(way, function)
                .on(event_loop.name())
                .in_task(format!("price-{way}"), &["price"])
                .awaited_by([(format!("order-{way}"), way), ("main".to_owned(), "main")])
        });
        scenario(python, event_loop, "stalled")
            .expect(stalls)
            .check()
    });
}

#[test]
fn tasks_that_wait_two_deep_for_one_that_sleeps_as_it_should_raise_nothing() {
    on_every_loop(&[], |python, event_loop| {
        scenario(python, event_loop, "healthy").check()
    });
}
