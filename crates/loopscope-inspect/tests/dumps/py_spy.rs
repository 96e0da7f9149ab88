//! py-spy as a second oracle for what threads do.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use loopscope_inspect::{Dump, DumpMode};
use serde::Deserialize;

use crate::pythons::{self, Python};
use crate::told::{start, wait_until_it_reads};

#[derive(Deserialize)]
struct SpiedThread {
    thread_name: Option<String>,
    owns_gil: bool,
    frames: Vec<SpiedFrame>,
}

#[derive(Deserialize)]
struct SpiedFrame {
    name: String,
    filename: String,
    line: u32,
}

/// A thread in words: whether it holds the lock, then its frames.
type Threads = BTreeMap<String, (bool, Vec<String>)>;

/// The one that was installed with the interpreter's packages, or else the machine's.
fn py_spy(python: &Python) -> PathBuf {
    let beside = python.path.with_file_name("py-spy");
    if beside.exists() {
        beside
    } else {
        "py-spy".into()
    }
}

/// What py-spy sees, or why it does not.
fn spied(python: &Python, pid: u32) -> Result<Threads, String> {
    let mut command = Command::new(py_spy(python));
    command
        .args(["dump", "--json", "--nonblocking", "--pid"])
        .arg(pid.to_string());
    let output = command.output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(said.lines().next().unwrap_or("it failed").to_owned());
    }
    let threads: Vec<SpiedThread> =
        serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
    let in_words = |thread: SpiedThread| {
        let frames = thread.frames.into_iter();
        let frames =
            frames.map(|frame| format!("{} {}:{}", frame.name, frame.filename, frame.line));
        (
            thread.thread_name.unwrap_or_default(),
            (thread.owns_gil, frames.collect()),
        )
    };
    Ok(threads.into_iter().map(in_words).collect())
}

fn dumped(dump: &Dump) -> Threads {
    let threads = dump.threads.iter().map(|thread| {
        let frames = thread.frames.iter();
        let frames =
            frames.map(|frame| format!("{} {}:{}", frame.function, frame.file, frame.line));
        let name = thread.name.clone().unwrap_or_default();
        (name, (thread.holds_gil == Some(true), frames.collect()))
    });
    threads.collect()
}

#[test]
fn py_spy_sees_the_same_threads() {
    for python in pythons::all() {
        let program = start(python, &[], "waits.py", &["asyncio"]);
        wait_until_it_reads(program.pid());
        match spied(python, program.pid()) {
            Ok(spied) => {
                let dump = program.attach().dump(DumpMode::Stop).unwrap();
                assert_eq!(dumped(&dump), spied, "Python {:?}", python.version);
            }
            Err(reason) => println!("SKIPPED: Python {:?}: py-spy: {reason}", python.version),
        }
    }
}
