//! What watching costs the target: bare against `loopscope run --listen off`.
//!
//! Three processes of a program live side by side, two bare and one watched, and take turns at slices of work
//! that are far shorter than the drift of a machine. Each generation of processes gives one ratio, the median
//! over its slices: two processes of one program differ for as long as they live, by where their memory
//! happened to lie.

use std::time::Duration;

use anyhow::{Context, Result};

use super::Setting;
use super::child::{Running, busy_seconds};
use super::load::Load;
use super::stats::Spread;

/// One slice of work.
const SLICE: Duration = Duration::from_millis(60);

/// Microseconds that one operation took by the wall clock, and of the target's processor time where
/// that can be told apart.
#[derive(Clone, Copy)]
pub(super) struct Cost {
    pub(super) wall_micros: f64,
    pub(super) cpu_micros: Option<f64>,
}

/// Starts a program that is watched in the way that is to be compared.
pub(super) type Start = fn(&Setting, &[String]) -> Result<Running>;

/// One slice of each process.
struct Round {
    bare: Cost,
    watched: Cost,
    bare_too: Cost,
}

/// The ratios of one generation.
struct Ratios {
    bare_micros: f64,
    watched_micros: f64,
    watched: f64,
    noise: f64,
}

/// A program, and what is measured of it.
pub(super) struct Comparison {
    name: &'static str,
    program: &'static str,
    arguments: &'static [&'static str],
    work: Work,
}

/// What a slice of work is.
#[derive(Clone, Copy)]
pub(super) enum Work {
    /// The program turns its loop by itself, and says how long a turn took.
    Turns,
    /// It answers this request, over and over.
    Answers(&'static [u8]),
}

/// The worst case, and servers.
pub(super) const COMPARISONS: &[Comparison] = &[
    Comparison {
        name: "call_soon ping-pong, asyncio",
        program: "call_soon.py",
        arguments: &["asyncio"],
        work: Work::Turns,
    },
    Comparison {
        name: "call_soon ping-pong, uvloop",
        program: "call_soon.py",
        arguments: &["uvloop"],
        work: Work::Turns,
    },
    Comparison {
        name: "TCP echo, asyncio",
        program: "echo_server.py",
        arguments: &["asyncio"],
        work: Work::Answers(&[b'e'; 64]),
    },
    Comparison {
        name: "TCP echo, uvloop",
        program: "echo_server.py",
        arguments: &["uvloop"],
        work: Work::Answers(&[b'e'; 64]),
    },
    Comparison {
        name: "uvicorn under load",
        program: "web_server.py",
        arguments: &[],
        work: Work::Answers(b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n"),
    },
];

/// Runs and prints every comparison.
pub(crate) fn run(setting: &Setting) -> Result<()> {
    compare(setting, "overhead", COMPARISONS, Running::watched)
}

/// Runs and prints these comparisons of one way to be watched.
pub(super) fn compare(
    setting: &Setting,
    title: &str,
    comparisons: &[Comparison],
    start: Start,
) -> Result<()> {
    let generations = setting.choose(8, 3);
    let slices = setting.choose(40, 20);
    println!(
        "{title}: time for one operation; median and middle half of {generations} times three processes, \
         each the median of {slices} slices"
    );
    println!(
        "{:30} {:>9} {:>9}   {:22} {:22}",
        "", "bare µs", "watched", "watched / bare", "noise: bare / bare"
    );
    for comparison in comparisons {
        let all: Result<Vec<_>> = (0..generations)
            .map(|_| generation(setting, comparison, start, slices))
            .collect();
        let all = all?;
        print_row(comparison.name, &all, |cost| Some(cost.wall_micros));
        print_row("  its processor time", &all, |cost| cost.cpu_micros);
    }
    Ok(())
}

fn print_row(name: &str, generations: &[Vec<Round>], pick: impl Fn(&Cost) -> Option<f64>) {
    let ratios: Option<Vec<Ratios>> = generations
        .iter()
        .map(|rounds| ratios(rounds, &pick))
        .collect();
    let Some(ratios) = ratios else { return };
    let column = |which: fn(&Ratios) -> f64| Spread::of(ratios.iter().map(which));
    println!(
        "{name:30} {:9.3} {:9.3}   {:22} {:22}",
        column(|ratios| ratios.bare_micros).median(),
        column(|ratios| ratios.watched_micros).median(),
        column(|ratios| ratios.watched).text(),
        column(|ratios| ratios.noise).text()
    );
}

/// `None` where there is no such figure.
fn ratios(rounds: &[Round], pick: &impl Fn(&Cost) -> Option<f64>) -> Option<Ratios> {
    let column = |which: fn(&Round) -> &Cost| -> Option<Vec<f64>> {
        rounds.iter().map(|round| pick(which(round))).collect()
    };
    let bare = column(|round| &round.bare)?;
    let watched = column(|round| &round.watched)?;
    let too = column(|round| &round.bare_too)?;
    let sides = bare.iter().zip(&too);
    let ratios = watched
        .iter()
        .zip(sides.clone())
        .map(|(watched, (one, other))| watched / ((one + other) / 2.0));
    Some(Ratios {
        watched: Spread::of(ratios).median(),
        noise: Spread::of(sides.map(|(one, other)| one / other)).median(),
        bare_micros: Spread::of(bare).median(),
        watched_micros: Spread::of(watched).median(),
    })
}

/// Three processes, and what each slice cost them. The order goes round, so that none always follows another.
fn generation(
    setting: &Setting,
    comparison: &Comparison,
    start: Start,
    slices: usize,
) -> Result<Vec<Round>> {
    let command = setting.program(comparison.program, comparison.arguments);
    let mut workers = [
        Worker::start(Running::asked(&command)?, comparison.work, busy_seconds)?,
        Worker::start(start(setting, &command)?, comparison.work, busy_seconds)?,
        Worker::start(Running::asked(&command)?, comparison.work, busy_seconds)?,
    ];
    // A few more, thrown away: the first find cold caches.
    let warm_up = slices / 10 + 1;
    let mut rounds = Vec::with_capacity(slices);
    for turn in 0..warm_up + slices {
        let mut costs = [None; 3];
        for place in 0..3 {
            let which = (turn + place) % 3;
            costs[which] = Some(workers[which].slice()?);
        }
        if let ([Some(bare), Some(watched), Some(bare_too)], true) = (costs, turn >= warm_up) {
            rounds.push(Round {
                bare,
                watched,
                bare_too,
            });
        }
    }
    Ok(rounds)
}

/// A process that works when it is told to.
pub(super) enum Worker {
    Turns(Running),
    Answers {
        /// Ends with this.
        _running: Running,
        pid: u32,
        load: Load,
        busy: BusySeconds,
    },
}

/// The processor time of a process, as far as it is of interest.
type BusySeconds = fn(u32) -> Result<f64>;

impl Worker {
    pub(super) fn start(mut running: Running, work: Work, busy: BusySeconds) -> Result<Self> {
        let line = running.line()?;
        match work {
            Work::Turns => Ok(Self::Turns(running)),
            Work::Answers(request) => {
                let (pid, port) = line
                    .split_once(' ')
                    .context("the server says pid and port")?;
                Ok(Self::Answers {
                    _running: running,
                    pid: pid.parse()?,
                    load: Load::connect(port.parse()?, request)?,
                    busy,
                })
            }
        }
    }

    pub(super) fn slice(&mut self) -> Result<Cost> {
        match self {
            Self::Turns(running) => {
                let nanos: f64 = running.ask()?.parse()?;
                Ok(Cost {
                    wall_micros: nanos / 1_000.0,
                    cpu_micros: None,
                })
            }
            Self::Answers {
                pid, load, busy, ..
            } => {
                let before = busy(*pid)?;
                let (count, took) = load.exchange(SLICE)?;
                let busy = busy(*pid)? - before;
                Ok(Cost {
                    wall_micros: took.as_secs_f64() / count as f64 * 1e6,
                    cpu_micros: Some(busy / count as f64 * 1e6),
                })
            }
        }
    }
}
