//! What the Python agent costs, beside what people would use otherwise: each against the same program bare.
//!
//! Every round runs bare, each tool, and Loopscope, one after the other. A figure is how fast the program is with
//! the tool, bare being 1: above 1 is faster.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use xshell::{Shell, cmd};

use super::child::Running;
use super::load::Load;
use super::stats::Spread;
use super::{Setting, version_of};

/// The tools, pinned, with what they need.
const REQUIREMENTS: &str = "bench/peers.txt";

/// The minor versions that are measured.
const MINORS: [&str; 3] = ["3.11", "3.12", "3.13"];

/// The tools, as `bench/peers.py` knows them. The first says how much two bare runs differ.
const TOOLS: [&str; 7] = [
    "bare",
    "asyncio-debug",
    "aiocop",
    "loopsentry",
    "aiomonitor",
    "pyleak",
    "opentelemetry",
];

/// A program, and how its speed is found out.
struct Workload {
    name: &'static str,
    program: &'static [&'static str],
    measure: fn(&Setting, &mut Running) -> Result<f64>,
}

const WORKLOADS: [Workload; 4] = [
    Workload {
        name: "uvicorn+FastAPI",
        program: &["fastapi_server.py"],
        measure: requests,
    },
    Workload {
        name: "TCP echo",
        program: &["echo_server.py"],
        measure: echoes,
    },
    Workload {
        name: "spawn storm",
        program: &["tasks.py", "spawn"],
        measure: one_line,
    },
    Workload {
        name: "asyncio.run",
        program: &["tasks.py", "run"],
        measure: one_line,
    },
];

/// Runs and prints every comparison.
pub(crate) fn run(setting: &Setting) -> Result<()> {
    let shell = Shell::new()?;
    shell.change_dir(crate::root());
    println!("agent: speed with each tool, bare = 1, above is faster: median [middle half]");
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
    let rounds = setting.choose(7, 3);
    let mut ratios: Vec<(&str, Vec<f64>)> = TOOLS.map(|tool| (tool, Vec::new())).to_vec();
    ratios.push(("loopscope", Vec::new()));
    // One round more, thrown away: the first finds cold caches.
    for round in 0..=rounds {
        let bare = once(setting, python, event_loop, workload, "bare")?;
        for (tool, found) in &mut ratios {
            // One that does not run here is left out.
            let with = once(setting, python, event_loop, workload, tool);
            found.extend(with.ok().filter(|_| round > 0).map(|with| bare / with));
        }
    }
    println!("{} {event_loop} {}", version_of(python), workload.name);
    for (tool, found) in ratios {
        let text = match found.is_empty() {
            true => "does not run".to_owned(),
            false => Spread::of(found).text(),
        };
        println!("    {tool:16} {text}");
    }
    Ok(())
}

/// Nanoseconds for one operation.
fn once(
    setting: &Setting,
    python: &Path,
    event_loop: &str,
    workload: &Workload,
    tool: &str,
) -> Result<f64> {
    let folder = crate::root().join("bench");
    let place = |name: &str| folder.join(name).display().to_string();
    let mut command = vec![python.display().to_string()];
    if !["bare", "loopscope"].contains(&tool) {
        command.extend([place("peers.py"), tool.to_owned()]);
    }
    let (program, arguments) = workload.program.split_first().context("a program")?;
    command.push(place(program));
    command.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    command.extend([
        event_loop.to_owned(),
        seconds(setting).as_secs_f64().to_string(),
    ]);
    let mut running = match tool {
        "loopscope" => Running::watched(setting, &command)?,
        _ => Running::asked(&command)?,
    };
    (workload.measure)(setting, &mut running)
}

fn seconds(setting: &Setting) -> Duration {
    setting.choose(Duration::from_secs(1), Duration::from_millis(500))
}

fn one_line(_: &Setting, running: &mut Running) -> Result<f64> {
    Ok(running.line()?.parse()?)
}

fn echoes(setting: &Setting, running: &mut Running) -> Result<f64> {
    under_load(setting, running, &[b'e'; 64])
}

fn requests(setting: &Setting, running: &mut Running) -> Result<f64> {
    under_load(setting, running, b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n")
}

fn under_load(setting: &Setting, running: &mut Running, request: &'static [u8]) -> Result<f64> {
    let line = running.line()?;
    let (_, port) = line
        .split_once(' ')
        .context("the server says pid and port")?;
    let port = port.parse()?;
    let mut load = Load::connect(port, request)?;
    load.exchange(Duration::from_millis(200))?;
    let (count, took) = load.exchange(seconds(setting))?;
    Ok(took.as_secs_f64() / count as f64 * 1e9)
}
