//! Programs that check themselves.

use crate::harness::{on_every_python, passes};

fn check(name: &str, arguments: &[&str]) {
    on_every_python(|python| {
        passes(python, name, arguments);
    });
}

#[test]
fn install_before_the_loop_starts_sees_it() {
    check("loops.py", &["before"]);
}

#[test]
fn install_inside_a_running_loop_sees_it_and_the_turn_that_it_is_in() {
    check("loops.py", &["inside"]);
}

#[test]
fn install_from_another_thread_sees_a_loop_that_runs() {
    check("loops.py", &["beside"]);
}

#[test]
fn install_before_asyncio_is_imported_sees_tasks() {
    check("loops.py", &["early"]);
}

#[test]
fn loops_of_repeated_runs_are_all_seen() {
    check("loops.py", &["again"]);
}

#[test]
fn loops_of_other_threads_are_seen() {
    check("loops.py", &["threads"]);
}

#[test]
fn a_second_install_changes_nothing() {
    check("install.py", &["twice"]);
}

#[test]
fn what_was_uninstalled_can_be_installed_again() {
    check("install.py", &["anew"]);
}

#[test]
fn a_port_that_is_taken_is_said_and_the_rest_works() {
    check("install.py", &["taken"]);
}

#[test]
fn a_process_without_room_for_its_recording_says_so() {
    check("install.py", &["no_room"]);
}

#[test]
fn a_process_that_only_records_has_no_thread_and_says_that_it_judges_nothing() {
    check("install.py", &["recorder"]);
}

#[test]
fn what_the_environment_says_holds_where_the_call_says_nothing() {
    check("install.py", &["environment"]);
}

#[test]
fn the_monitor_leaves_descriptors_and_signals_to_the_program() {
    check("install.py", &["apart"]);
}

#[test]
fn the_names_of_a_home_made_monitor_do_what_they_say() {
    check("install.py", &["drop_in"]);
}

#[test]
fn the_examples_of_the_documentation_hold() {
    check("examples.py", &[]);
}

#[test]
fn the_routes_answer_without_a_framework() {
    check("routes.py", &[]);
}

#[test]
fn what_is_offloaded_keeps_its_results_its_context_and_its_bounds() {
    for way in ["results", "refused", "context", "bounded", "seen"] {
        check("offloaded.py", &[way]);
    }
}

#[test]
fn what_is_offloaded_ends_as_its_caller_its_loop_or_its_process_does() {
    for way in ["cancelled", "closing", "forked"] {
        check("offloaded.py", &[way]);
    }
}

#[test]
fn a_supervised_task_is_started_again_until_it_gives_up() {
    for way in ["restarts", "gives_up", "essential", "seen"] {
        check("supervisor.py", &[way]);
    }
}

#[test]
fn a_supervised_task_is_awaited_until_it_is_ready() {
    for way in ["readiness", "ready_again"] {
        check("supervisor.py", &[way]);
    }
}

#[test]
fn supervised_tasks_are_stopped_in_order_whatever_ends_them() {
    for way in ["order", "stubborn", "wrong", "abandoned"] {
        check("supervisor.py", &[way]);
    }
}
