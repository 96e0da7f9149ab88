//! The agent gets into interpreters, and a program sees nothing of that.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::harness::{Program, pythons, text};

#[test]
fn a_program_sees_what_it_would_have_seen_without_the_agent() {
    for python in pythons() {
        for environment in [None, Some("/no/such/folder:/opt")] {
            let mut program = Program::new(&python, "whole.py", &["one", "two"]);
            if let Some(path) = environment {
                program = program.env("PYTHONPATH", path);
            }
            assert!(program.unchanged().recordings[0].has_agent());
        }
    }
}

#[test]
fn an_exception_that_ends_the_program_is_told_and_returned_as_without_the_agent() {
    for python in pythons() {
        let watched = Program::new(&python, "raises.py", &[]).unchanged();
        assert_eq!(watched.output.status.code(), Some(1));
        assert_eq!(watched.recordings[0].counts("deep"), [1, 0, 1, 0, 0]);
    }
}

/// A folder with a `sitecustomize` of the user's own.
fn customized(source: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("sitecustomize.py"), source).unwrap();
    folder
}

fn with_own(python: &Path, program: &str, folder: &TempDir) -> Program {
    let path = folder.path().display().to_string();
    Program::new(python, program, &[]).env("PYTHONPATH", path)
}

#[test]
fn the_users_own_sitecustomize_runs() {
    let folder = customized("import sys\nprint('own', __name__, sys.path[:1])\nsys.own = 1\n");
    for python in pythons() {
        let watched = with_own(&python, "whole.py", &folder).unchanged();
        assert!(text(&watched.output.stdout).starts_with("own sitecustomize"));
        assert!(watched.recordings[0].has_agent());
    }
}

#[test]
fn a_sitecustomize_that_fails_fails_as_it_does_without_the_agent() {
    for source in [
        "1 / 0\n",
        "import no_such_module\n",
        "raise ImportError('x', name='sitecustomize')\n",
    ] {
        let folder = customized(source);
        for python in pythons() {
            assert!(
                with_own(&python, "raises.py", &folder)
                    .unchanged()
                    .recordings[0]
                    .has_agent()
            );
        }
    }
}

#[test]
fn interpreters_that_take_nothing_from_outside_run_without_the_agent() {
    for python in pythons() {
        for option in ["-I", "-E", "-S"] {
            let program = Program::new(&python, "raises.py", &[]).option(option);
            let watched = program.unchanged();
            assert_eq!(watched.recordings.len(), 1, "the pulse watches");
            assert!(!watched.recordings[0].has_agent(), "{option}");
        }
    }
}

#[test]
fn the_interpreter_of_a_virtual_environment_takes_the_agent() {
    for python in pythons() {
        let folder = tempfile::tempdir().unwrap();
        let made = Command::new(&python)
            .args(["-m", "venv", "--without-pip"])
            .arg(folder.path())
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let own = folder.path().join("bin/python");
        assert!(Program::new(&own, "whole.py", &[]).unchanged().recordings[0].has_agent());
    }
}

#[test]
fn an_interpreter_under_another_name_takes_the_agent() {
    let folder = tempfile::tempdir().unwrap();
    for (index, python) in pythons().iter().enumerate() {
        let other = folder.path().join(format!("worker-{index}"));
        let real = Command::new(python)
            .args(["-c", "import sys; print(sys.executable)"])
            .output();
        symlink(text(&real.unwrap().stdout).trim(), &other).unwrap();
        assert!(Program::new(&other, "raises.py", &[]).watched().recordings[0].has_agent());
    }
}

#[test]
fn a_program_that_is_no_interpreter_keeps_its_variables() {
    let bare = Program::new(Path::new("sh"), "", &[]);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("show"), "echo \"[$PYTHONPATH]\"\n").unwrap();
    let script = folder.path().join("show").display().to_string();
    let shown = bare.with_words(&["sh", &script]).unchanged();
    assert_eq!(text(&shown.output.stdout), "[]\n");
}
