//! What the Python agent costs, beside what people would use otherwise: each against the same program bare.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use xshell::{Shell, cmd};

use super::child::{Running, busy_seconds_of_all};
use super::contest::Contest;
use super::overhead::{Work, Worker};
use super::{Setting, version_of};

/// The tools, pinned, with what they need.
const REQUIREMENTS: &str = "bench/peers.txt";

/// The minor versions that are measured.
const MINORS: [&str; 3] = ["3.11", "3.12", "3.13"];

/// The ways to run a program. Other tools than ours are as `bench/peers.py` knows them. The first two are what the others
/// are held against.
const CONTENDERS: [&str; 9] = [
    "bare",
    "bare again: the noise",
    "loopscope",
    "asyncio-debug",
    "aiocop",
    "loopsentry",
    "aiomonitor",
    "pyleak",
    "opentelemetry",
];

/// A program, and what a slice of its work is.
struct Workload {
    name: &'static str,
    program: &'static [&'static str],
    work: Work,
}

const WORKLOADS: [Workload; 4] = [
    Workload {
        name: "uvicorn+FastAPI, a request",
        program: &["fastapi_server.py"],
        work: Work::Answers(b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n"),
    },
    Workload {
        name: "TCP echo",
        program: &["echo_server.py"],
        work: Work::Answers(&[b'e'; 64]),
    },
    Workload {
        name: "spawn storm, a trivial task",
        program: &["tasks.py", "spawn"],
        work: Work::Turns,
    },
    Workload {
        name: "asyncio.run of an empty coroutine",
        program: &["tasks.py", "run"],
        work: Work::Turns,
    },
];

/// Runs and prints every comparison.
pub(crate) fn run(setting: &Setting) -> Result<()> {
    let shell = Shell::new()?;
    shell.change_dir(crate::root());
    for minor in MINORS {
        let Some(python) = setting
            .pythons
            .iter()
            .rfind(|python| version_of(python).starts_with(&format!("Python {minor}.")))
        else {
            println!("{minor}: not among the interpreters");
            continue;
        };
        let python = prepare(&shell, python, minor)?;
        for event_loop in ["asyncio", "uvloop"] {
            for workload in &WORKLOADS {
                compare(setting, &python, event_loop, workload)
                    .with_context(|| format!("{} on {minor} {event_loop}", workload.name))?;
            }
        }
    }
    Ok(())
}

/// An environment with the tools: theirs are kept apart from those that the tests run in.
fn prepare(shell: &Shell, python: &Path, minor: &str) -> Result<PathBuf> {
    let folder = crate::root().join(format!(".venv/peers-{minor}"));
    let own = folder.join("bin/python");
    if !own.exists() {
        cmd!(shell, "{python} -m venv {folder}").quiet().run()?;
    }
    let options = ["-q", "--disable-pip-version-check"];
    cmd!(shell, "{own} -m pip install {options...} -r {REQUIREMENTS}").run()?;
    Ok(own)
}

fn compare(setting: &Setting, python: &Path, event_loop: &str, workload: &Workload) -> Result<()> {
    let (generations, slices) = (setting.choose(3, 1), setting.choose(24, 16));
    println!(
        "{} {event_loop}, {}; median and middle half of {generations} times all of them, each the median of {slices} \
         slices",
        version_of(python),
        workload.name
    );
    let start = |name: &str| {
        let command = command(python, event_loop, workload, name)?;
        let running = match name {
            "loopscope" => Running::watched(setting, &command)?,
            _ => Running::asked(&command)?,
        };
        Worker::start(running, workload.work, busy_seconds_of_all)
    };
    let (running, others): (Vec<&str>, Vec<&str>) = CONTENDERS
        .iter()
        .partition(|name| start(name).and_then(|mut worker| worker.slice()).is_ok());
    let contest = Contest::run(generations, slices, running.len(), |which| {
        start(running[which])
    })?;
    contest.print(&running);
    for name in others {
        println!("{name:32} does not run");
    }
    println!();
    Ok(())
}

fn command(
    python: &Path,
    event_loop: &str,
    workload: &Workload,
    contender: &str,
) -> Result<Vec<String>> {
    let folder = crate::root().join("bench");
    let place = |name: &str| folder.join(name).display().to_string();
    let mut command = vec![python.display().to_string()];
    if !contender.starts_with("bare") && contender != "loopscope" {
        command.extend([place("peers.py"), contender.to_owned()]);
    }
    let (program, arguments) = workload.program.split_first().context("a program")?;
    command.push(place(program));
    command.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    command.push(event_loop.to_owned());
    Ok(command)
}
