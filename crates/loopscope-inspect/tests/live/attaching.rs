//! Processes that can be attached to, and those that cannot.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use loopscope_inspect::{AttachError, GilHolder, Inspector, SampleError, kernel};

use crate::pythons::{self, Python};
use crate::support::{Program, source};

#[test]
fn a_program_that_is_not_python_is_refused() {
    let mut child = Command::new("sleep").arg("3600").spawn().unwrap();
    let outcome = Inspector::attach(child.id());
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        matches!(outcome, Err(AttachError::NotPython { .. })),
        "{outcome:?}"
    );
}

#[test]
fn a_process_that_ended_is_none() {
    let mut child = Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    let outcome = Inspector::attach(child.id());
    assert!(
        matches!(outcome, Err(AttachError::NoProcess { .. })),
        "{outcome:?}"
    );
}

#[test]
fn a_process_that_ends_while_it_is_watched_is_gone() {
    for python in pythons::all() {
        let mut program = Program::start(python, "sleep_in_chain.py", &[]);
        let pid = program.pid();
        let mut inspector = program.attach();
        inspector.sample_thread(pid).unwrap();
        program.child.kill().unwrap();
        // Killed and collected, or killed and not yet collected: gone in both.
        program.child.wait().unwrap();
        assert_eq!(inspector.sample_thread(pid), Err(SampleError::Gone { pid }));
    }
}

#[test]
fn a_process_that_runs_another_program_is_replaced() {
    for python in pythons::all() {
        let mut program = Program::start(python, "exec_again.py", &[]);
        let pid = program.pid();
        let mut inspector = program.attach();
        assert_eq!(program.go_on(), "ready");
        match inspector.sample_thread(pid) {
            Err(error) => assert_eq!(error, SampleError::Replaced { pid }),
            // An interpreter that is always loaded at the same place can be read on.
            Ok(sample) => assert_eq!(&*sample.frames[0].file, "<string>"),
        }
        assert!(
            Inspector::attach(pid)
                .unwrap()
                .sample_thread(pid)
                .unwrap()
                .is_python_thread
        );
    }
}

#[test]
fn an_interpreter_that_starts_is_refused_until_it_is_up() {
    for python in pythons::all() {
        let mut child = Command::new(&python.path)
            .args(["-c", "input()"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut transient = 0;
        loop {
            match Inspector::attach(child.id()) {
                Ok(_) => break,
                // Before `exec` the child still is this test; while libraries load it has no state.
                Err(error) => {
                    transient += 1;
                    let is_early =
                        error.is_transient() || matches!(error, AttachError::NotPython { .. });
                    assert!(is_early && transient < 1_000_000, "{error:?}");
                }
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

#[test]
fn a_program_of_another_interpreter_is_named_as_such() {
    let Some(pypy) = pythons::unpacked("pypy3.11") else {
        println!("skipped: no PyPy in target/interpreters");
        return;
    };
    let mut child = Command::new(pypy)
        .args(["-c", "print('ready', flush=True); input()"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let output = child.stdout.as_mut().unwrap();
    BufReader::new(output).read_line(&mut line).unwrap();
    let outcome = Inspector::attach(child.id());
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        matches!(outcome, Err(AttachError::OtherInterpreter { .. })),
        "{outcome:?}"
    );
}

#[test]
fn an_interpreter_that_the_loader_was_told_to_run_is_found() {
    let loader = Path::new("/lib64/ld-linux-x86-64.so.2");
    if !loader.exists() {
        println!("skipped: no loader at {}", loader.display());
        return;
    }
    for python in pythons::all() {
        // What is started by a script is run by a loader in all tests.
        if std::fs::read_to_string(&python.path).is_ok() {
            continue;
        }
        let name = "sleep_in_chain.py";
        let mut command = Command::new(loader);
        command.arg(&python.path).arg(source(name));
        let program = Program::spawn(python, name, &mut command);
        let fetch = program.frame("fetch", false);
        let sample = program.look_until(&mut program.attach(), &fetch);
        assert_eq!(sample.frames[0], fetch);
    }
}

/// An interpreter's own files, copied to a folder of their own.
struct CopiedPython {
    folder: tempfile::TempDir,
    python: Python,
}

impl CopiedPython {
    fn of(python: &Python) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let named = python.path.canonicalize().unwrap();
        let script = std::fs::read_to_string(&named).ok();
        // A script that starts an interpreter has its path in the last quotes but those of `$@`.
        let real = script.as_deref().map_or(named.as_path(), |script| {
            Path::new(script.rsplit('\'').nth(1).unwrap())
        });
        let copy = folder.path().join(real.file_name().unwrap());
        std::fs::copy(real, &copy).unwrap();
        for library in libraries(real) {
            std::fs::copy(&library, folder.path().join(library.file_name().unwrap())).unwrap();
        }
        let path = match &script {
            Some(script) => {
                let start = folder.path().join("start");
                std::fs::copy(&named, &start).unwrap();
                let moved = script.replace(real.to_str().unwrap(), copy.to_str().unwrap());
                std::fs::write(&start, moved).unwrap();
                start
            }
            None => copy,
        };
        Self {
            folder,
            python: Python {
                path,
                ..python.clone()
            },
        }
    }

    fn start(&self, original: &Python, name: &str) -> Program {
        let home = Command::new(&original.path)
            .args(["-c", "import sys; print(sys.base_prefix)"])
            .output()
            .unwrap();
        let mut command = Command::new(&self.python.path);
        command
            .env("PYTHONHOME", String::from_utf8(home.stdout).unwrap().trim())
            .env("LD_LIBRARY_PATH", self.folder.path())
            .arg(source(name));
        Program::spawn(&self.python, name, &mut command)
    }
}

fn libraries(interpreter: &Path) -> Vec<PathBuf> {
    let folder = interpreter.parent().unwrap().parent().unwrap().join("lib");
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths
        .filter(|path| path.to_string_lossy().contains("/libpython3."))
        .collect()
}

#[test]
fn an_interpreter_whose_files_were_deleted_is_read_all_the_same() {
    for python in pythons::all() {
        let copied = CopiedPython::of(python);
        let program = copied.start(python, "sleep_in_chain.py");
        let mapped = std::fs::read_to_string(format!("/proc/{}/maps", program.pid())).unwrap();
        assert!(mapped.contains(copied.folder.path().to_str().unwrap()));
        std::fs::remove_dir_all(copied.folder.path()).unwrap();
        let fetch = program.frame("fetch", false);
        let sample = program.look_until(&mut program.attach(), &fetch);
        assert_eq!(sample.frames[0], fetch);
    }
}

/// The process that `unshare --fork` waits for.
fn only_child(parent: u32) -> u32 {
    let path = format!("/proc/{parent}/task/{parent}/children");
    std::fs::read_to_string(path)
        .unwrap()
        .trim()
        .parse()
        .unwrap()
}

#[test]
fn a_process_in_a_pid_namespace_of_its_own_is_read_by_the_ids_that_the_observer_sees() {
    let unshare = ["--pid", "--fork", "--mount-proc", "--kill-child"];
    if !Command::new("unshare")
        .args(unshare)
        .arg("true")
        .status()
        .is_ok_and(|it| it.success())
    {
        println!("skipped: this user may not make a pid namespace");
        return;
    }
    for python in pythons::all() {
        let mut command = Command::new("unshare");
        command
            .args(unshare)
            .arg(&python.path)
            .arg(source("executor_regex.py"));
        let program = Program::spawn(python, "executor_regex.py", &mut command);
        let pid = only_child(program.pid());
        let mut inspector = Inspector::attach(pid).unwrap();
        let search = program.frame("search", false);
        let sample = program.look_at_until(&mut inspector, pid, |sample| {
            matches!(&sample.gil, GilHolder::Other { frames, .. } if frames.first() == Some(&search))
        });
        assert!(sample.running_loop.is_some());
        let GilHolder::Other {
            tid: Some(holder), ..
        } = sample.gil
        else {
            panic!("{sample:?}")
        };
        assert_eq!(kernel::thread_ids(pid), [pid, holder]);
        // Inside, ids are counted from 1.
        assert!(program.number(0) < pid);
    }
}

#[test]
fn a_version_without_a_layout_is_named() {
    let home = std::env::var("HOME").unwrap_or_default();
    let old = std::fs::read_dir(Path::new(&home).join(".pyenv/versions"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .find(|path| {
            path.file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with("3.8.")
        });
    let Some(old) = old else {
        println!("skipped: no Python 3.8 on this machine");
        return;
    };
    let python = Python {
        path: old.join("bin/python3"),
        version: (3, 8, 0),
        has_uvloop: false,
    };
    let program = Program::start(&python, "after_run.py", &[]);
    let outcome = Inspector::attach(program.pid());
    let Err(AttachError::UnsupportedVersion { version }) = &outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!((version.major, version.minor), (3, 8));
    assert!(outcome.unwrap_err().hint().is_some());
}
