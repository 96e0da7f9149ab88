//! Programs that check themselves.

use crate::harness::{passes, pythons};

fn on_every_python(name: &str, arguments: &[&str]) {
    for python in pythons() {
        passes(&python, name, arguments);
    }
}

#[test]
fn install_before_the_loop_starts_sees_it() {
    on_every_python("loops.py", &["before"]);
}

#[test]
fn install_inside_a_running_loop_sees_it_and_the_turn_that_it_is_in() {
    on_every_python("loops.py", &["inside"]);
}

#[test]
fn install_from_another_thread_sees_a_loop_that_runs() {
    on_every_python("loops.py", &["beside"]);
}

#[test]
fn install_before_asyncio_is_imported_sees_tasks() {
    on_every_python("loops.py", &["early"]);
}

#[test]
fn loops_of_repeated_runs_are_all_seen() {
    on_every_python("loops.py", &["again"]);
}

#[test]
fn loops_of_other_threads_are_seen() {
    on_every_python("loops.py", &["threads"]);
}

#[test]
fn a_second_install_changes_nothing() {
    on_every_python("install.py", &["twice"]);
}

#[test]
fn what_was_uninstalled_can_be_installed_again() {
    on_every_python("install.py", &["anew"]);
}

#[test]
fn a_port_that_is_taken_is_said_and_the_rest_works() {
    on_every_python("install.py", &["taken"]);
}

#[test]
fn a_process_without_room_for_its_recording_says_so() {
    on_every_python("install.py", &["no_room"]);
}

#[test]
fn a_process_that_only_records_has_no_thread_and_says_that_it_judges_nothing() {
    on_every_python("install.py", &["recorder"]);
}

#[test]
fn what_the_environment_says_holds_where_the_call_says_nothing() {
    on_every_python("install.py", &["environment"]);
}

#[test]
fn the_monitor_leaves_descriptors_and_signals_to_the_program() {
    on_every_python("install.py", &["apart"]);
}

#[test]
fn the_names_of_a_home_made_monitor_do_what_they_say() {
    on_every_python("install.py", &["drop_in"]);
}

#[test]
fn the_examples_of_the_documentation_hold() {
    on_every_python("examples.py", &[]);
}

#[test]
fn the_routes_answer_without_a_framework() {
    on_every_python("routes.py", &[]);
}
