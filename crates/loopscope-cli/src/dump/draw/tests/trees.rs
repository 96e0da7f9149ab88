use super::*;

fn tree(dump: &Dump) -> String {
    let drawn = drawn_as(&mut report(dump, &surroundings()), PIPE, true);
    let tree = drawn.split("Tasks, each").nth(1).unwrap();
    let tree = tree.split("\n\n").next().unwrap();
    format!("Tasks, each{tree}\n")
}

#[test]
fn the_tree_folds_what_looks_alike_and_shows_a_shared_task_once() {
    let mut dump = idle();
    let worker = |n: usize| {
        let mut task = task(
            &format!("worker-{n}"),
            vec![own(20, "work")],
            Some(wait_for_tasks(None, &[900])),
        );
        task.awaited_by = vec![TaskIndex(899)];
        task
    };
    dump.tasks.extend((0..899).map(worker));
    let all: Vec<usize> = (0..899).collect();
    dump.tasks.push(task(
        "main",
        vec![own(9, "main")],
        Some(wait_for_tasks(Some("gather"), &all)),
    ));
    dump.tasks.push(task(
        "loader",
        vec![own(3, "load")],
        Some(future("executor")),
    ));
    dump.tasks.push(task(
        "probe",
        vec![own(70, "probe")],
        Some(wait_for_tasks(None, &[900])),
    ));
    insta::assert_snapshot!(tree(&dump), @r"
    Tasks, each above what it waits for
      main  waiting at app.py:9 in main: gather
      └─ × 899  waiting at app.py:20 in work  (worker-0, worker-1, worker-2, …)
         └─ loader  waiting at app.py:3 in load: executor
      probe  waiting at app.py:70 in probe
      └─ loader, shown above
    ");
}

#[test]
fn the_tree_cuts_a_circle_where_it_closes() {
    let mut dump = idle();
    let waiting = |name: &str, next: usize| {
        task(
            name,
            vec![own(10, name)],
            Some(wait_for_tasks(None, &[next])),
        )
    };
    dump.tasks = vec![
        waiting("a", 1),
        waiting("b", 2),
        waiting("c", 0),
        waiting("outside", 0),
    ];
    dump.tasks.push(waiting("itself", 4));
    insta::assert_snapshot!(tree(&dump), @r"
    Tasks, each above what it waits for
      itself  waiting at app.py:10 in itself
      └─ itself, above: a circle
      outside  waiting at app.py:10 in outside
      └─ a  waiting at app.py:10 in a
         └─ b  waiting at app.py:10 in b
            └─ c  waiting at app.py:10 in c
               └─ a, above: a circle
    ");
}

#[test]
fn a_chain_of_a_hundred_thousand_waits_is_drawn() {
    let mut dump = idle();
    let last = 99_999;
    dump.tasks.extend((0..last).map(|n| {
        task(
            &format!("t{n}"),
            Vec::new(),
            Some(wait_for_tasks(None, &[n + 1])),
        )
    }));
    dump.tasks
        .push(task("last", Vec::new(), Some(future("sleep"))));
    assert!(tree(&dump).contains("… and deeper"));
}
