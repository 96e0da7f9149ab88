//! Processes that do nothing but stand: one whose lock is held in C code, one without asyncio.

use std::collections::BTreeMap;
use std::fs;

use loopscope_inspect::{Dump, DumpMode, Frame, Inspector};

use crate::check::MODES;
use crate::compare::{differences, fail_with};
use crate::pythons::{self, Python};
use crate::support::Program;
use crate::told::{start, tell, wait_until_it_reads};

fn main_frames(program: &Program, dump: &Dump) -> Vec<Frame> {
    let mut threads = dump.threads.iter();
    let main = threads.find(|thread| thread.tid == Some(program.pid()));
    main.expect("a main thread").frames.clone()
}

fn check_while_the_lock_is_held(python: &Python) -> Vec<String> {
    let mut program = start(python, &[], "holding.py", &[]);
    let mut told = tell(&mut program);
    assert_eq!(program.go_on(), "holding");
    told.gil_holder = Some(program.pid());
    let module = program.frame("<module>", false);
    let mut inspector = program.attach();
    program.look_until(&mut inspector, &module);
    let mut found = Vec::new();
    for mode in MODES {
        let dump = inspector.dump(mode).unwrap();
        let frames = main_frames(&program, &dump);
        assert_eq!(
            program.own_frames(&frames),
            std::slice::from_ref(&module),
            "{mode:?}"
        );
        found.extend(differences(&told, &dump));
    }
    found
}

#[test]
fn a_process_whose_lock_is_kept_in_a_regular_expression_is_dumped_like_any_other() {
    let pythons = pythons::all().iter();
    fail_with(
        &pythons
            .flat_map(check_while_the_lock_is_held)
            .collect::<Vec<_>>(),
    );
}

#[test]
fn a_process_without_asyncio_has_threads_and_nothing_else() {
    for python in pythons::all() {
        let program = start(python, &[], "no_asyncio.py", &[]);
        assert_eq!(program.facts, ["False"], "asyncio was imported");
        let mut inspector = program.attach();
        wait_until_all_wait(&program, &mut inspector);
        for mode in MODES {
            check_threads_alone(&program, &inspector.dump(mode).unwrap());
        }
    }
}

/// The threads go on from the place where they met each other in their own time.
fn wait_until_all_wait(program: &Program, inspector: &mut Inspector) {
    wait_until_it_reads(program.pid());
    let inner = program.frame("inner", false);
    for thread in fs::read_dir(format!("/proc/{}/task", program.pid())).unwrap() {
        let tid = thread
            .unwrap()
            .file_name()
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        if tid != program.pid() {
            program.look_at_until(inspector, tid, |sample| {
                program.own_frames(&sample.frames).first() == Some(&inner)
            });
        }
    }
}

fn check_threads_alone(program: &Program, dump: &Dump) {
    assert_eq!((dump.loops.len(), dump.tasks.len()), (0, 0));
    assert_eq!(dump.problems, Vec::<String>::new());
    assert_eq!(dump.pause.is_some(), dump.mode != DumpMode::Live);
    let outer = ["inner", "outer"].map(|function| program.frame(function, false));
    let module = [program.frame("<module>", false)];
    let threads = dump.threads.iter().map(|thread| {
        let name = thread.name.as_deref().expect("a name");
        (name, program.own_frames(&thread.frames))
    });
    assert_eq!(
        threads.collect::<BTreeMap<_, _>>(),
        BTreeMap::from([
            ("MainThread", module.to_vec()),
            ("one", outer.to_vec()),
            ("two", outer.to_vec()),
        ])
    );
}
