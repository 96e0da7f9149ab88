//! A whole dump of a process with very many tasks: how long the command takes, and how long the process
//! stands still. Beside it the peers on the same process in the same rounds.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::Setting;
use super::child::Running;
use super::stats::Spread;

const SIZES: [u32; 4] = [10, 1_000, 10_000, 100_000];

/// Ways to look at a process, ours first.
const WAYS: [Way; 5] = [
    Way::Ours("stop"),
    Way::Ours("snapshot"),
    Way::Ours("live"),
    Way::PySpy,
    Way::AsyncioPs,
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// `loopscope dump` in a mode.
    Ours(&'static str),
    /// `py-spy dump`, which shows the threads and no task.
    PySpy,
    /// `python -m asyncio ps`, from 3.14 on.
    AsyncioPs,
}

/// One look.
struct Look {
    /// As people see it: text.
    whole_millis: f64,
    /// The same with everything in it, as JSON; ours alone.
    json_millis: Option<f64>,
    /// As a thread of the process saw it.
    stood_millis: f64,
    /// As the dump says.
    pause_millis: Option<f64>,
}

/// Looks of one way at one process, or why it could not look.
type Looks = Result<Vec<Look>, String>;

/// Measures every size on every interpreter that a peer needs.
pub(crate) fn run(setting: &Setting) -> Result<()> {
    let sizes = setting.choose(&SIZES[..], &SIZES[..3]);
    for python in &setting.dump_pythons {
        println!("a dump of waiting tasks, {}, medians", python.display());
        println!(
            "{:>7}  {:24} {:>9} {:>11} {:>9} {:>9}   the fastest dump is ahead by",
            "tasks", "", "whole ms", "stood still", "says", "as JSON"
        );
        for size in sizes {
            measure(setting, python, *size)?;
        }
    }
    Ok(())
}

fn measure(setting: &Setting, python: &Path, size: u32) -> Result<()> {
    let program = crate::root().join("bench/parked.py");
    let command = [python, &program].map(|path| path.display().to_string());
    let command = [command.as_slice(), &[size.to_string()]].concat();
    let mut running = Running::asked(&command)?;
    running.line()?;
    // The largest takes the peers a quarter of a minute.
    let rounds = setting.choose(if size > 10_000 { 5 } else { 15 }, 3);
    let mut all: Vec<Looks> = WAYS.iter().map(|_| Ok(Vec::new())).collect();
    // One round more, thrown away: the first finds cold caches.
    for round in 0..=rounds {
        for (way, looks) in WAYS.iter().zip(&mut all) {
            let Ok(seen) = looks else { continue };
            match look(setting, python, *way, &mut running) {
                Ok(_) if round == 0 => {}
                Ok(look) => seen.push(look),
                Err(reason) => *looks = Err(format!("{reason:#}")),
            }
        }
    }
    print_rows(size, &all);
    Ok(())
}

fn look(setting: &Setting, python: &Path, way: Way, running: &mut Running) -> Result<Look> {
    let pid = running.pid();
    running.ask()?;
    let (whole_millis, output) = timed(way, way.command(setting, python, pid, false))?;
    let stood_nanos: f64 = running.ask()?.parse()?;
    if !way.has_looked(&output) {
        bail!("it does not show the process");
    }
    let json = match way {
        Way::Ours(_) => Some(timed(way, way.command(setting, python, pid, true))?),
        _ => None,
    };
    Ok(Look {
        whole_millis,
        json_millis: json.as_ref().map(|(millis, _)| *millis),
        stood_millis: stood_nanos / 1e6,
        pause_millis: json.and_then(|(_, output)| pause_millis(&output)),
    })
}

/// How long a command takes, and what it prints.
fn timed(way: Way, mut command: Command) -> Result<(f64, Vec<u8>)> {
    let began = Instant::now();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{} does not start", way.name()))?;
    let whole_millis = began.elapsed().as_secs_f64() * 1e3;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().find(|line| line.contains("rror"));
        bail!("{}", last.unwrap_or("it failed").trim());
    }
    Ok((whole_millis, output.stdout))
}

fn pause_millis(output: &[u8]) -> Option<f64> {
    // A hundred thousand tasks are eighty megabytes, of which one figure is wanted.
    let name = b"\"pause_seconds\": ";
    let place = output.windows(name.len()).position(|part| part == name)?;
    let figure = output.get(place + name.len()..)?;
    let end = figure.iter().position(|byte| b",\n}".contains(byte))?;
    let seconds: f64 = std::str::from_utf8(&figure[..end]).ok()?.parse().ok()?;
    Some(seconds * 1e3)
}

impl Way {
    fn name(self) -> String {
        match self {
            Self::Ours(mode) => format!("loopscope dump, {mode}"),
            Self::PySpy => "py-spy dump".to_owned(),
            Self::AsyncioPs => "python -m asyncio ps".to_owned(),
        }
    }

    fn command(self, setting: &Setting, python: &Path, pid: u32, json: bool) -> Command {
        let pid = pid.to_string();
        match self {
            Self::Ours(mode) => {
                let mut command = Command::new(&setting.loopscope);
                command.args(["dump", &pid, "--mode", mode]);
                command.args(json.then_some("--json"));
                command
            }
            Self::PySpy => {
                let mut command = Command::new(py_spy(python));
                command.args(["dump", "--pid", &pid]);
                command
            }
            Self::AsyncioPs => {
                let mut command = Command::new(python);
                command.args(["-m", "asyncio", "ps", &pid]);
                command
            }
        }
    }

    /// Whether it shows what there is to see: tasks, or in `py-spy`'s case the thread that never waits. Before
    /// 3.14, asking `asyncio` for tasks does something else, successfully.
    fn has_looked(self, output: &[u8]) -> bool {
        let wanted: &[u8] = match self {
            Self::Ours(_) => b" tasks waiting at ",
            Self::AsyncioPs => b"parked 9",
            Self::PySpy => b"spin",
        };
        output.windows(wanted.len()).any(|part| part == wanted)
    }
}

/// The one that was installed with the interpreter's packages, or else the machine's.
fn py_spy(python: &Path) -> PathBuf {
    let beside = python.with_file_name("py-spy");
    if beside.exists() {
        beside
    } else {
        "py-spy".into()
    }
}

fn print_rows(size: u32, all: &[Looks]) {
    let ours = WAYS
        .iter()
        .zip(all)
        .filter(|(way, _)| matches!(way, Way::Ours(_)));
    let fastest = ours
        .filter_map(|(_, looks)| median(looks.as_ref().ok()?, |look| Some(look.whole_millis)))
        .min_by(f64::total_cmp);
    for (way, looks) in WAYS.iter().zip(all) {
        let name = way.name();
        let looks = match looks {
            Ok(looks) => looks,
            Err(reason) => {
                println!("{size:7}  {name:24} SKIPPED: {reason}");
                continue;
            }
        };
        let column = |pick: fn(&Look) -> Option<f64>| {
            median(looks, pick).map_or_else(String::new, |millis| format!("{millis:.2}"))
        };
        let ahead = match (way, median(looks, |look| Some(look.whole_millis)), fastest) {
            (Way::PySpy | Way::AsyncioPs, Some(peer), Some(own)) => format!("{:.1}×", peer / own),
            _ => String::new(),
        };
        println!(
            "{size:7}  {name:24} {:>9} {:>11} {:>9} {:>9}   {ahead}",
            column(|look| Some(look.whole_millis)),
            column(|look| Some(look.stood_millis)),
            column(|look| look.pause_millis),
            column(|look| look.json_millis)
        );
    }
}

/// `None` where there is nothing to take it of.
fn median(looks: &[Look], pick: impl Fn(&Look) -> Option<f64>) -> Option<f64> {
    let values: Vec<f64> = looks.iter().filter_map(pick).collect();
    (!values.is_empty()).then(|| Spread::of(values).median())
}
