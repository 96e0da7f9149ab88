//! Programs that end in odd ways, and recordings that have no room or no place: nothing of it shows.

use crate::harness::{Program, Watched, pythons};

fn unchanged(how: &str) -> Vec<Watched> {
    let pythons = pythons();
    let run = |python| Program::new(python, "ends.py", &[how]).unchanged();
    pythons.iter().map(|python| run(python)).collect()
}

#[test]
fn a_program_that_leaves_at_once_leaves_as_it_does_without_the_agent() {
    for watched in unchanged("at once") {
        assert_eq!(watched.output.status.code(), Some(3));
        assert_eq!(watched.recordings[0].counts("waits"), [1, 0, 0, 0, 1]);
    }
}

#[test]
fn a_program_that_is_interrupted_ends_as_it_does_without_the_agent() {
    // From 3.11 on its main task is cancelled first; either way the interpreter says what it said.
    for python in pythons() {
        let program = Program::new(&python, "ends.py", &["interrupted"]);
        let (bare, watched) = (program.bare(), program.watched());
        assert_eq!(bare.status, watched.output.status);
        assert_eq!(watched.recordings[0].counts("waits")[4], 0);
    }
}

#[test]
fn signal_handlers_run_as_they_do_without_the_agent() {
    for watched in unchanged("handled") {
        assert_eq!(watched.only().counts("waits"), [1, 0, 0, 1, 0]);
    }
}

#[test]
fn a_loop_that_is_closed_over_its_tasks_says_what_it_says_without_the_agent() {
    for watched in unchanged("closed") {
        assert_eq!(watched.recordings[0].site("waits").spawned, 1);
    }
}

#[test]
fn what_runs_at_exit_runs_and_the_words_of_the_exit_are_said() {
    for watched in unchanged("raises at exit") {
        assert_eq!(watched.output.status.code(), Some(1));
    }
}

#[test]
fn a_recording_that_is_full_counts_what_it_has_no_room_for() {
    for python in pythons() {
        let watched = Program::new(&python, "many_sites.py", &[]).watched();
        let recorded = watched.only();
        let dropped = &recorded.tables.dropped;
        assert!(dropped.task_sites > 0 && dropped.calls > 0, "{dropped:?}");
        let sites = &recorded.tables.task_sites;
        let spawned: u64 = sites.iter().map(|site| site.spawned).sum();
        // The main task too, and the two that end the loop.
        assert_eq!(spawned, 3000 + 3);
    }
}

#[test]
fn a_program_without_a_place_for_its_recording_runs_on() {
    for python in pythons() {
        let program = Program::new(&python, "whole.py", &[]);
        assert!(program.unchanged_in("/proc/no/such/folder").is_empty());
    }
}

#[test]
fn a_package_that_is_run_as_a_program_is_watched() {
    for python in pythons() {
        let folder = tempfile::tempdir().unwrap();
        let package = folder.path().join("shop");
        std::fs::create_dir(&package).unwrap();
        let source = "import asyncio\nasync def sell(): await asyncio.sleep(0)\n\
            async def main(): await asyncio.create_task(sell())\nasyncio.run(main())\nprint(__name__)\n";
        std::fs::write(package.join("__main__.py"), source).unwrap();
        let python = python.display().to_string();
        let program = Program::new(python.as_ref(), "whole.py", &[])
            .with_words(&[&python, "-m", "shop"])
            .env("PYTHONPATH", folder.path().display().to_string());
        let watched = program.unchanged();
        assert_eq!(watched.only().counts("sell"), [1, 1, 0, 0, 0]);
    }
}
