//! What watching a tokio service costs, and how fast it tells: bare, with Loopscope in each of its ways, and with what
//! else watches tokio.
//!
//! The program is `bench/tokio`, a package of its own: what the others bring with them is no part of this workspace.

use std::path::PathBuf;

use anyhow::{Context, Result};
use xshell::{Shell, cmd};

use super::Setting;
use super::child::{Running, busy_seconds_of_all};
use super::contest::Contest;
use super::detection;
use super::overhead::{Work, Worker};

/// A way to be watched, or none.
struct Watching {
    name: &'static str,
    build: Build,
    /// What the program calls it.
    word: &'static str,
    /// Whether `loopscope run` starts it.
    is_run: bool,
}

/// How the program is built.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Build {
    Stable,
    /// With `--cfg tokio_unstable`.
    Unstable,
}

impl Watching {
    const fn new(name: &'static str, build: Build, word: &'static str) -> Self {
        Self {
            name,
            build,
            word,
            is_run: false,
        }
    }
}

/// The first two are what the others are held against.
const WATCHING: [Watching; 8] = [
    Watching::new("bare", Build::Stable, "bare"),
    Watching::new("bare again: the noise", Build::Stable, "bare"),
    Watching::new("loopscope, watchdog alone", Build::Stable, "watched"),
    Watching::new("loopscope, scope.spawn", Build::Stable, "spawned"),
    Watching {
        is_run: true,
        ..Watching::new("loopscope run", Build::Stable, "bare")
    },
    Watching::new("tokio-metrics", Build::Stable, "task-monitor"),
    Watching::new("console-subscriber", Build::Unstable, "console"),
    Watching::new("dial9", Build::Unstable, "dial9"),
];

/// What is done, and what one operation of it is.
struct Comparison {
    name: &'static str,
    word: &'static str,
    work: Work,
}

const COMPARISONS: [Comparison; 3] = [
    Comparison {
        name: "spawn storm: a task that ends at once",
        word: "storm",
        work: Work::Turns,
    },
    Comparison {
        name: "yield ping-pong: a poll of one of eight tasks",
        word: "yields",
        work: Work::Turns,
    },
    Comparison {
        name: "axum under load: a request",
        word: "axum",
        work: Work::Answers(b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n"),
    },
];

/// Ways to be told of a stall: a name, how the program is watched, and whether `loopscope run` starts it.
const TOLD: [(&str, &str, bool); 3] = [
    ("library, a worker of two", "watched", false),
    ("library, current-thread", "watched-current", false),
    ("loopscope run, a worker of two", "bare", true),
];

/// Runs and prints all of it.
pub(crate) fn run(setting: &Setting) -> Result<()> {
    let programs = Programs::build()?;
    let watching: Vec<&Watching> = WATCHING
        .iter()
        .filter(|one| programs.path(one.build).is_some())
        .collect();
    let (generations, slices) = (setting.choose(7, 2), setting.choose(24, 8));
    for comparison in &COMPARISONS {
        println!(
            "tokio, {}; median and middle half of {generations} times all of them, each the median of {slices} slices",
            comparison.name
        );
        let watching: Vec<&Watching> = watching
            .iter()
            .copied()
            // The server spawns its tasks itself.
            .filter(|one| comparison.word != "axum" || one.word != "spawned")
            .collect();
        let contest = Contest::run(generations, slices, watching.len(), |which| {
            start(setting, &programs, comparison, watching[which])
        })?;
        let names: Vec<&str> = watching.iter().map(|one| one.name).collect();
        contest.print(&names);
        println!();
    }
    println!("from crossing the stall threshold to the finding with its frames on /health");
    for (name, word, is_run) in TOLD {
        let count = setting.choose(30, 5);
        let delays = delays(setting, &programs, word, is_run, count)?;
        println!("{name:32} {}", delays.text());
    }
    Ok(())
}

/// The program, as it is built for each.
struct Programs {
    stable: PathBuf,
    /// `None` where what it needs cannot be had.
    unstable: Option<PathBuf>,
}

impl Programs {
    fn build() -> Result<Self> {
        let shell = Shell::new()?;
        shell.change_dir(crate::root());
        let unstable = build(&shell, "bench-tokio-unstable", &["--features", "unstable"]);
        if let Err(error) = &unstable {
            println!(
                "SKIPPED: what needs `--cfg tokio_unstable`, which cannot be built: {error:#}"
            );
        }
        Ok(Self {
            stable: build(&shell, "bench-tokio", &[])?,
            unstable: unstable.ok(),
        })
    }

    fn path(&self, build: Build) -> Option<&PathBuf> {
        match build {
            Build::Stable => Some(&self.stable),
            Build::Unstable => self.unstable.as_ref(),
        }
    }

    fn command(&self, build: Build, words: &[&str]) -> Result<Vec<String>> {
        let path = self.path(build).context("the program is built")?;
        let mut command = vec![path.display().to_string()];
        command.extend(words.iter().map(|word| (*word).to_owned()));
        Ok(command)
    }
}

/// Builds the program in a folder of its own, below where everything is built.
fn build(shell: &Shell, folder: &str, features: &[&str]) -> Result<PathBuf> {
    let target = crate::target().join(folder);
    let manifest = "bench/tokio/Cargo.toml";
    let mut build = cmd!(
        shell,
        "cargo build --release --locked --manifest-path {manifest} --target-dir {target} {features...}"
    );
    if !features.is_empty() {
        build = build.env("RUSTFLAGS", "--cfg tokio_unstable");
    }
    build.run()?;
    Ok(target.join("release/loopscope-bench-tokio"))
}

/// The program as it is run in one way, before its first slice.
fn start(
    setting: &Setting,
    programs: &Programs,
    comparison: &Comparison,
    one: &Watching,
) -> Result<Worker> {
    let command = programs.command(one.build, &[comparison.word, one.word])?;
    let running = if one.is_run {
        Running::watched(setting, &command)?
    } else {
        Running::asked(&command)?
    };
    Worker::start(running, comparison.work, busy_seconds_of_all)
}

fn delays(
    setting: &Setting,
    programs: &Programs,
    word: &str,
    is_run: bool,
    count: usize,
) -> Result<detection::Delays> {
    let command = programs.command(Build::Stable, &["stalls", word, &count.to_string()])?;
    let mut running = if is_run {
        Running::served(setting, &command)?
    } else {
        Running::asked(&command)?
    };
    let told = running.line()?;
    let address = match running.health {
        Some(address) => address,
        None => told.parse().context("the program says where it answers")?,
    };
    detection::measure(&mut running, address, count)
}
