//! Tracked calls are counted, and are what they were without being tracked.

use loopscope_recorder::layout::{CallKind, FactKind};

use crate::harness::{Program, minor, pythons, text};

#[test]
fn what_is_tracked_behaves_as_it_did_and_is_counted() {
    for python in pythons() {
        let watched = Program::new(&python, "calls.py", &[]).watched();
        let recorded = watched.only();
        assert_eq!(text(&watched.output.stdout), "done\n");
        let counts = |name| {
            let call = recorded.call(name);
            assert_eq!(call.started, call.finished, "{name}");
            [call.started, call.failed, call.cancelled]
        };
        for (name, expected) in [
            ("__main__.function", [3, 1, 0]),
            ("__main__.coroutine", [2, 0, 1]),
            ("__main__.generator", [2, 0, 0]),
            ("__main__.async_generator", [2, 0, 0]),
            ("__main__.Class.method", [2, 0, 0]),
            ("__main__.Class.static", [2, 0, 0]),
            ("__main__.Class.of_class", [1, 0, 0]),
            ("__main__.Class.property", [1, 0, 0]),
            ("__main__.fails", [1, 1, 0]),
        ] {
            assert_eq!(counts(name), expected, "{name} on {}", python.display());
        }
    }
}

#[test]
fn what_is_tracked_is_resumed_closed_and_asked_as_if_it_were_bare() {
    for python in pythons() {
        let watched = Program::new(&python, "behaves.py", &[]).watched();
        let recorded = watched.only();
        assert_eq!(text(&watched.output.stdout), "done\n");
        let counts = |name| {
            let call = recorded.call(name);
            assert_eq!(
                call.started,
                call.finished,
                "{name} on {}",
                python.display()
            );
            [call.failed, call.cancelled]
        };
        if minor(&python) >= 10 {
            assert_eq!(counts("__main__.failing")[1], 0);
            assert_eq!(counts("__main__.catching"), [0, 1]);
        }
        assert_eq!(counts("__main__.generator"), [0, 0]);
        assert_eq!(counts("__main__.async_generator"), [0, 0]);
    }
}

#[test]
fn a_call_that_keeps_a_loop_to_itself_is_told_with_the_line_that_made_it() {
    for python in pythons() {
        let watched = Program::new(&python, "calls.py", &[]).watched();
        let recorded = watched.only();
        let orders = recorded.call("orders");
        assert_eq!(orders.call.kind, Some(CallKind::Query));
        assert_eq!(
            (orders.started, orders.on_loop, orders.blocking),
            (3, 2, 2),
            "one was in a thread"
        );
        let (sync, waiting) = (recorded.call("sync block"), recorded.call("waiting block"));
        assert_eq!((sync.blocking, waiting.blocking), (1, 0));
        let facts = recorded.facts_of(FactKind::BlockingCall);
        let first = &facts[0];
        assert_eq!(
            (first.name.as_str(), first.frames[0].function.as_str()),
            ("orders", "main")
        );
    }
}
