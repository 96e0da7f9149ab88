//! The library in a program that `loopscope run` watches already.

use crate::harness::{Talking, on_every_python, program};

#[test]
fn under_run_nothing_is_added_and_the_report_is_the_supervisors() {
    on_every_python(|python| {
        let python = python.display().to_string();
        let path = program("supervised.py").display().to_string();
        for (listen, way) in [("127.0.0.1:0", "asks"), ("off", "silent")] {
            let loopscope = env!("CARGO_BIN_EXE_loopscope");
            let words = [
                loopscope, "run", "--listen", listen, "--", &python, &path, way,
            ];
            let mut talking = Talking::start(&words);
            talking.told("fine");
            let (status, said) = talking.end();
            assert!(status.success(), "{python} {way}: {said}");
        }
    });
}
