//! What watching a tokio service costs, and how fast it tells: bare, with Loopscope in each of its ways, and with what
//! else watches tokio.
//!
//! All of them live side by side and take turns at slices of work, so that each slice has bare ones next to it. The
//! program is `bench/tokio`, a package of its own: what the others bring with them is no part of this workspace.

use std::path::PathBuf;

use anyhow::{Context, Result};
use xshell::{Shell, cmd};

use super::Setting;
use super::child::{Running, busy_seconds_of_all};
use super::detection;
use super::overhead::{Cost, Work, Worker};
use super::stats::Spread;

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
        let all: Result<Vec<_>> = (0..generations)
            .map(|_| generation(setting, &programs, comparison, &watching, slices))
            .collect();
        print(&watching, &all?);
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

/// All of them once, and what each slice cost each of them. The order goes round, so that none always follows another.
fn generation(
    setting: &Setting,
    programs: &Programs,
    comparison: &Comparison,
    watching: &[&Watching],
    slices: usize,
) -> Result<Vec<Vec<Cost>>> {
    let start = |one: &&Watching| {
        let command = programs.command(one.build, &[comparison.word, one.word])?;
        let running = if one.is_run {
            Running::watched(setting, &command)?
        } else {
            Running::asked(&command)?
        };
        Worker::start(running, comparison.work, busy_seconds_of_all)
    };
    let workers: Result<Vec<Worker>> = watching.iter().map(start).collect();
    let mut workers = workers?;
    let count = workers.len();
    let mut costs: Vec<Vec<Cost>> = (0..count).map(|_| Vec::with_capacity(slices)).collect();
    // A few more, thrown away: the first find cold caches.
    let warm_up = slices / 8 + 1;
    for turn in 0..warm_up + slices {
        for place in 0..count {
            let which = (turn + place) % count;
            let cost = workers[which].slice()?;
            if turn >= warm_up {
                costs[which].push(cost);
            }
        }
    }
    Ok(costs)
}

fn print(watching: &[&Watching], generations: &[Vec<Vec<Cost>>]) {
    println!(
        "{:32} {:>10}   {:24} {:24}",
        "", "µs", "speed, of bare", "processor time, of bare"
    );
    for (which, one) in watching.iter().enumerate() {
        let wall = |cost: &Cost| Some(cost.wall_micros);
        let micros = generations.iter().map(|costs| middle(&costs[which], wall));
        let micros = Spread::of(micros.flatten()).median();
        let slower = ratios(generations, which, wall);
        let speed = slower.map_or(String::new(), |slower| {
            Spread::of(slower.iter().map(|ratio| 1.0 / ratio)).text()
        });
        let processor = ratios(generations, which, |cost| cost.cpu_micros);
        let processor = processor.map_or(String::new(), |of_bare| Spread::of(of_bare).text());
        println!("{:32} {micros:10.3}   {speed:24} {processor:24}", one.name);
    }
}

/// What it costs to be watched in that way, of what it costs bare, once for each generation; `None` where there is no such
/// figure. The first is held against the second, the others against both.
fn ratios(
    generations: &[Vec<Vec<Cost>>],
    which: usize,
    pick: impl Fn(&Cost) -> Option<f64> + Copy,
) -> Option<Vec<f64>> {
    let of_generation = |costs: &Vec<Vec<Cost>>| -> Option<f64> {
        let bare: &[usize] = match which {
            0 => &[1],
            1 => &[0],
            _ => &[0, 1],
        };
        let rounds = costs[which].iter().enumerate().map(|(round, cost)| {
            let beside: Option<Vec<f64>> =
                bare.iter().map(|one| pick(&costs[*one][round])).collect();
            let beside = beside?;
            Some(pick(cost)? * beside.len() as f64 / beside.iter().sum::<f64>())
        });
        let rounds: Option<Vec<f64>> = rounds.collect();
        Some(Spread::of(rounds?).median())
    };
    generations.iter().map(of_generation).collect()
}

fn middle(costs: &[Cost], pick: impl Fn(&Cost) -> Option<f64>) -> Option<f64> {
    let picked: Option<Vec<f64>> = costs.iter().map(pick).collect();
    Some(Spread::of(picked?).median())
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
