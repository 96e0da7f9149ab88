mod hostile;
mod trees;

use loopscope_engine::dump::{DumpFailure, RecordedLoop, unread};
use loopscope_inspect::{Dump, DumpMode, LayoutSource, Orphan, TaskIndex, TaskState, WaitTarget};

use super::sample::*;
use super::*;
use crate::dump::neutral::neutralise;

const PIPE: Layout = Layout {
    width: None,
    colour: false,
};

fn drawn(dump: &Dump) -> String {
    drawn_as(&mut report(dump, &surroundings()), PIPE, false)
}

fn drawn_as(report: &mut DumpReport, layout: Layout, tree: bool) -> String {
    neutralise(report);
    Drawing {
        report,
        layout,
        tree,
    }
    .text()
}

#[test]
fn a_small_healthy_program_needs_few_lines() {
    let mut dump = idle();
    let mut listener = future("socket");
    listener.due_seconds = Some(1.25);
    dump.tasks = vec![
        task(
            "Task-1",
            vec![own(90, "main"), own(80, "serve")],
            Some(listener),
        ),
        task("cleaner", vec![own(12, "clean")], Some(future("sleep"))),
    ];
    dump.tasks[1].awaited_by = vec![TaskIndex(0)];
    insta::assert_snapshot!(drawn(&dump), @r"
    python3 app.py --port=80  pid 4242
    Python 3.12.1 · stopped for 2.1 ms · 2025-06-01T12:00:00.000Z
    1 loop · 2 tasks (2 pending) · 1 Python thread

    Loop on MainThread (4242), asyncio: idle
      2 tasks · 1 timer · the next due in 1.25 s
      cleaner waiting at app.py:12 in clean: sleep
          awaited by Task-1
      Task-1 waiting at app.py:80 in serve: socket, due in 1.25 s
          main (app.py:90) → serve (app.py:80)

    Threads
      MainThread (4242)  in epoll_wait, runs a loop
          EpollSelector.select (selectors.py:468)
          Handle._run (asyncio/events.py:88)
          BaseEventLoop._run_once (asyncio/base_events.py:1985)
          run (asyncio/runners.py:194)
          <module> (app.py:99)
    ");
}

#[test]
fn a_blocked_loop_comes_first_with_its_line_its_chain_the_lock_and_the_fix() {
    insta::assert_snapshot!(drawn(&blocked()), @r"
    python3 app.py --port=80  pid 4242
    Python 3.12.1 · stopped for 2.1 ms · 2025-06-01T12:00:00.000Z
    1 loop · 1 task (1 running) · 1 Python thread

    What is wrong
      ▌ the loop on MainThread has been blocked for at least 6.2 s at app.py:31 in charge: re.match
           task  Task-7
            via  serve (app.py:80) → checkout (app.py:52)
           lock  it holds the interpreter's lock: no other Python thread runs
          write  await loop.run_in_executor(process_pool, re.match, ...)

    Loop on MainThread (4242), asyncio: blocked for at least 6.20 s at app.py:31 in charge
      1 task · 3 callbacks ready to run · 1 timer · the next overdue by 6.20 s
      Task-7 running at app.py:31 in charge
          serve (app.py:80) → checkout (app.py:52)

    Threads
      MainThread (4242)  running, holds the interpreter's lock, runs a loop
          charge (app.py:31)
          checkout (app.py:52)
          Handle._run (asyncio/events.py:88)
          BaseEventLoop._run_once (asyncio/base_events.py:1985)
          run (asyncio/runners.py:194)
          <module> (app.py:99)
    ");
}

#[test]
fn a_recording_tells_exactly_since_when_a_loop_is_busy() {
    let mut around = surroundings();
    around.recorded = vec![RecordedLoop {
        thread_id: 4242,
        busy_since_nanos: Some(43_000_000_000),
        last_beat_nanos: 43_000_000_000,
    }];
    let shown = drawn_as(&mut report(&blocked(), &around), PIPE, false);
    assert!(
        shown.contains("has been blocked for 7.0 s at app.py:31 in charge"),
        "{shown}"
    );
    assert!(
        shown.contains(": blocked for 7.00 s at app.py:31"),
        "{shown}"
    );
}

#[test]
fn a_loop_that_only_waits_for_the_lock_blames_its_holder() {
    let mut dump = blocked();
    let poll = vec![library("selectors.py", 468, "EpollSelector.select")];
    dump.threads[0].frames = in_loop(poll);
    dump.threads[0].holds_gil = Some(false);
    let mut worker = thread(4250, "worker", None, vec![own(31, "crunch"), own(3, "run")]);
    worker.holds_gil = Some(true);
    dump.threads.push(worker);
    dump.tasks.clear();
    dump.loops[0].state = loopscope_inspect::LoopState::Running { task: None };
    let shown = drawn(&dump);
    let wrong = shown.split("\n\n").next().unwrap();
    insta::assert_snapshot!(wrong.split("What is wrong").nth(1).unwrap_or(&shown), @r"
    python3 app.py --port=80  pid 4242
    Python 3.12.1 · stopped for 2.1 ms · 2025-06-01T12:00:00.000Z
    1 loop · 0 tasks · 2 Python threads

    What is wrong
      ▌ the loop on MainThread has been blocked for at least 6.2 s: it waits for the interpreter's lock, which thread worker holds at app.py:31 in crunch: re.match
           lock  worker (4250) holds the interpreter's lock, at app.py:31 in crunch
             do  stop the bleeding: take the work that holds the lock out of this process, or do less of it at once

    Loop on MainThread (4242), asyncio: blocked for at least 6.20 s
      0 tasks · 3 callbacks ready to run · 1 timer · the next overdue by 6.20 s

    Threads
      MainThread (4242)  running, runs a loop
          EpollSelector.select (selectors.py:468)
          Handle._run (asyncio/events.py:88)
          BaseEventLoop._run_once (asyncio/base_events.py:1985)
          run (asyncio/runners.py:194)
          <module> (app.py:99)
      worker (4250)  running, holds the interpreter's lock
          crunch (app.py:31)
          run (app.py:3)
    ");
}

#[test]
fn ten_thousand_tasks_fit_on_a_screen() {
    let mut dump = idle();
    let consumer = || {
        vec![
            own(31, "consume"),
            library("asyncio/queues.py", 158, "Queue.get"),
        ]
    };
    dump.tasks.extend((0..9_812).map(|n| {
        task(
            &format!("consumer-{n}"),
            consumer(),
            Some(future("Queue.get")),
        )
    }));
    dump.tasks.extend((0..186).map(|n| {
        let mut wait = future("Lock");
        wait.primitive = Some(primitive("Lock", Some("locked, 186 waiting")));
        task(&format!("writer-{n}"), vec![own(44, "write")], Some(wait))
    }));
    dump.tasks.extend((0..2).map(|n| {
        let mut wait = future("sleep");
        wait.due_seconds = Some(2.0 + f64::from(n));
        task(&format!("timer-{n}"), vec![own(60, "tick")], Some(wait))
    }));
    let shown = drawn(&dump);
    assert!(shown.lines().count() < 30, "{shown}");
    insta::assert_snapshot!(shown.split("\n\n").nth(1).unwrap(), @r"
    Loop on MainThread (4242), asyncio: idle
      10,000 tasks · 1 timer · the next due in 1.25 s
      9,812 tasks waiting at app.py:31 in consume: Queue.get
          consumer-0, consumer-1, consumer-2, consumer-3, …
      186 tasks waiting at app.py:44 in write: Lock (locked, 186 waiting)
          writer-0, writer-1, writer-2, writer-3, …
      2 tasks waiting at app.py:60 in tick: sleep
          timer-0  sleep, due in 2.00 s
          timer-1  sleep, due in 3.00 s
    ");
}

#[test]
fn ten_thousand_different_tasks_are_counted_and_not_listed() {
    let mut dump = idle();
    dump.tasks.extend(
        (0..10_000).map(|n| task(&format!("t-{n}"), vec![own(n, "f")], Some(future("sleep")))),
    );
    let shown = drawn(&dump);
    assert!(shown.lines().count() < 100, "{shown}");
    assert!(
        shown.contains("… and 9,964 more tasks at 9,964 other places"),
        "{shown}"
    );
}

#[test]
fn a_deadlock_is_spelled_out() {
    let mut dump = idle();
    dump.tasks = vec![
        task(
            "first",
            vec![own(10, "take_b")],
            Some(wait_for_tasks(None, &[1])),
        ),
        task(
            "second",
            vec![own(14, "take_a")],
            Some(wait_for_tasks(None, &[0])),
        ),
    ];
    dump.tasks[0].awaited_by = vec![TaskIndex(1)];
    dump.tasks[1].awaited_by = vec![TaskIndex(0)];
    dump.deadlocks = vec![vec![TaskIndex(0), TaskIndex(1)]];
    insta::assert_snapshot!(drawn(&dump).split("\n\nThreads").next().unwrap(), @r"
    python3 app.py --port=80  pid 4242
    Python 3.12.1 · stopped for 2.1 ms · 2025-06-01T12:00:00.000Z
    1 loop · 2 tasks (2 pending) · 1 Python thread

    What is wrong
      ▌ deadlock: 2 tasks wait for each other: first → second → first
           task  first at app.py:10 in take_b waits for second
           task  second at app.py:14 in take_a waits for first
             do  cancel one of them; then let none of them wait for a task that waits for it

    Loop on MainThread (4242), asyncio: idle
      2 tasks · 1 timer · the next due in 1.25 s
      first waiting at app.py:10 in take_b: task second
          awaited by second
      second waiting at app.py:14 in take_a: task first
          awaited by first
    ");
}

#[test]
fn orphans_and_failures_are_pointed_out() {
    let mut dump = idle();
    dump.tasks = vec![
        task("lost", vec![own(10, "work")], Some(future("Event"))),
        task("bad", Vec::new(), None),
        task("worse", Vec::new(), None),
    ];
    dump.tasks[0].orphan = Some(Orphan::LoopClosed);
    for failed in &mut dump.tasks[1..] {
        failed.state = TaskState::Failed {
            exception: "ValueError".into(),
            message: Some("boom".to_owned()),
        };
    }
    insta::assert_snapshot!(drawn(&dump).split("\n\nThreads").next().unwrap(), @r"
    python3 app.py --port=80  pid 4242
    Python 3.12.1 · stopped for 2.1 ms · 2025-06-01T12:00:00.000Z
    1 loop · 3 tasks (1 pending, 2 failed) · 1 Python thread

    What is wrong
      ▌ 1 task can never finish: its loop was closed before
          tasks  lost
      ▌ 2 tasks failed with ValueError: boom
          tasks  bad, worse

    Loop on MainThread (4242), asyncio: idle
      3 tasks · 1 timer · the next due in 1.25 s
      lost waiting at app.py:10 in work: Event, orphaned: its loop was closed
      2 tasks failed with ValueError
          bad  boom
          worse  boom
    ");
}

#[test]
fn a_stopped_process_is_not_called_blocked() {
    let mut around = surroundings();
    around.process.is_stopped = true;
    let shown = drawn_as(&mut report(&blocked(), &around), PIPE, false);
    assert!(
        shown.contains("the whole process is stopped (SIGSTOP or job control)"),
        "{shown}"
    );
    assert!(
        shown.contains("do  let it continue: `kill -CONT 4242`"),
        "{shown}"
    );
    assert!(shown.contains("suspended with its process"), "{shown}");
    assert!(!shown.contains("blocked"), "{shown}");
}

#[test]
fn threads_at_the_same_place_are_one_entry() {
    let mut dump = idle();
    let idle_worker = |n: u32| {
        let frames = vec![library("concurrent/futures/thread.py", 81, "_worker")];
        thread(4300 + n, &format!("pool_{n}"), Some(FUTEX), frames)
    };
    dump.threads.extend((0..30).map(idle_worker));
    let mut around = surroundings();
    for id in [5001, 5002] {
        let mut native = around.threads[0].clone();
        native.thread_id = id;
        native.name = Some("tokio-runtime-w".to_owned());
        around.threads.push(native);
    }
    let shown = drawn_as(&mut report(&dump, &around), PIPE, false);
    insta::assert_snapshot!(shown.split("Threads\n").nth(1).unwrap(), @r"
    MainThread (4242)  in epoll_wait, runs a loop
        EpollSelector.select (selectors.py:468)
        Handle._run (asyncio/events.py:88)
        BaseEventLoop._run_once (asyncio/base_events.py:1985)
        run (asyncio/runners.py:194)
        <module> (app.py:99)
    30 threads  in futex: pool_0 (4300), pool_1 (4301), pool_2 (4302), pool_3 (4303), …
        _worker (concurrent/futures/thread.py:81)
    without Python: 2 threads like 5001 tokio-runtime-w, running
    ");
}

#[test]
fn what_could_not_be_read_is_said_and_what_may_be_wrong_is_labelled() {
    let mut dump = idle();
    dump.mode = DumpMode::Live;
    dump.pause = None;
    dump.layout = LayoutSource::Probed;
    dump.problems = vec!["3 tasks changed while they were read".to_owned()];
    dump.threads[0].problem = Some("its frames could not be followed".to_owned());
    dump.tasks = vec![task("odd", vec![own(4, "f")], Some(future("x")))];
    dump.tasks[0].name = None;
    dump.tasks[0].waits_for.as_mut().unwrap().target = WaitTarget::Unknown;
    dump.tasks[0].waits_for.as_mut().unwrap().primitive = None;
    dump.tasks[0].problem = Some("not a future at address 0x7".to_owned());
    insta::assert_snapshot!(drawn(&dump), @r"
    python3 app.py --port=80  pid 4242
    Python 3.12.1 · read while it ran · 2025-06-01T12:00:00.000Z
    1 loop · 1 task (1 pending) · 1 Python thread
    approximate: the process ran on while it was read
    approximate: where its fields lie was found out from the objects themselves, since the tables of its version did not fit

    Loop on MainThread (4242), asyncio: idle
      1 task · 1 timer · the next due in 1.25 s
      0x7f0000001000 waiting at app.py:4 in f: something that could not be read
          not read: not a future at address 0x7

    Threads
      MainThread (4242)  in epoll_wait, runs a loop
          EpollSelector.select (selectors.py:468)
          Handle._run (asyncio/events.py:88)
          BaseEventLoop._run_once (asyncio/base_events.py:1985)
          run (asyncio/runners.py:194)
          <module> (app.py:99)
          not read: its frames could not be followed

    Not read
      - 3 tasks changed while they were read
    ");
}

#[test]
fn a_process_that_cannot_be_read_still_shows_its_threads() {
    let failure = DumpFailure {
        message: "not CPython: /usr/bin/pypy3".to_owned(),
        hint: "run it on CPython".to_owned(),
    };
    let mut around = surroundings();
    around.process.namespaced_pid = Some(7);
    around.process.user = Some("alice".to_owned());
    around.process.is_of_other_user = true;
    insta::assert_snapshot!(drawn_as(&mut unread(&around, failure), PIPE, false), @r"
    python3 app.py --port=80  pid 4242 (7 inside its container)  user alice
    2025-06-01T12:00:00.000Z
    1 thread

    Threads
      4242 python3, running
    ");
}

#[test]
fn a_narrow_terminal_breaks_chains_between_their_links() {
    let mut dump = blocked();
    dump.tasks[0].await_chain = (0..14).map(|n| own(80 + n, &format!("step_{n}"))).collect();
    let narrow = Layout {
        width: Some(60),
        colour: false,
    };
    let shown = drawn_as(&mut report(&dump, &surroundings()), narrow, false);
    insta::assert_snapshot!(shown.split("\n\nThreads").next().unwrap(), @r"
    python3 app.py --port=80  pid 4242
    Python 3.12.1 · stopped for 2.1 ms ·
    2025-06-01T12:00:00.000Z
    1 loop · 1 task (1 running) · 1 Python thread

    What is wrong
      ▌ the loop on MainThread has been blocked for at least 6.2
        s at app.py:31 in charge: re.match
           task  Task-7
            via  step_0 (app.py:80) → step_1 (app.py:81) →
                 step_2 (app.py:82) → step_3 (app.py:83) →
                 step_4 (app.py:84) → … 4 more … →
                 step_9 (app.py:89) → step_10 (app.py:90) →
                 step_11 (app.py:91) → step_12 (app.py:92) →
                 step_13 (app.py:93)
           lock  it holds the interpreter's lock: no other
                 Python thread runs
          write  await loop.run_in_executor(process_pool,
                 re.match, ...)

    Loop on MainThread (4242), asyncio: blocked for at least
    6.20 s at app.py:31 in charge
      1 task · 3 callbacks ready to run · 1 timer ·
      the next overdue by 6.20 s
      Task-7 running at app.py:31 in charge
          step_0 (app.py:80) → step_1 (app.py:81) →
          step_2 (app.py:82) → step_3 (app.py:83) →
          step_4 (app.py:84) → … 4 more … → step_9 (app.py:89) →
          step_10 (app.py:90) → step_11 (app.py:91) →
          step_12 (app.py:92) → step_13 (app.py:93)
    ");
}

#[test]
fn colour_tells_own_code_from_libraries() {
    let mut dump = idle();
    let chain = vec![
        own(9, "main"),
        own(31, "consume"),
        library("asyncio/queues.py", 158, "Queue.get"),
    ];
    dump.tasks = vec![task("t", chain, Some(future("Queue.get")))];
    let colourful = Layout {
        width: None,
        colour: true,
    };
    let shown = drawn_as(&mut report(&dump, &surroundings()), colourful, false);
    assert!(
        shown.contains(
            "\u{1b}[1mconsume (app.py:31)\u{1b}[0m → \u{1b}[2mQueue.get (asyncio/queues.py:158)"
        ),
        "{shown:?}"
    );
}
