//! What watching costs the target: bare against `loopscope run --listen off`.

use std::time::Duration;

use anyhow::{Context, Result};

use super::child::{Running, cpu_seconds};
use super::load::exchanges;
use super::stats::Spread;
use super::{Setting, load};

/// Microseconds that one operation took by the wall clock, and of the target's processor time where
/// that can be told apart.
#[derive(Clone, Copy)]
struct Cost {
    wall_micros: f64,
    cpu_micros: Option<f64>,
}

/// Starts a program that is watched in the way that is to be compared.
pub(super) type Start = fn(&Setting, &[String]) -> Result<Running>;

/// The three runs of a round.
struct Round {
    bare: Cost,
    watched: Cost,
    bare_again: Cost,
}

type Measure = fn(&Setting, &mut Running) -> Result<Cost>;

/// A program, and what is measured of it.
pub(super) struct Comparison {
    name: &'static str,
    program: &'static str,
    arguments: &'static [&'static str],
    measure: Measure,
}

/// The worst case, and servers.
pub(super) const COMPARISONS: &[Comparison] = &[
    Comparison {
        name: "call_soon ping-pong, asyncio",
        program: "call_soon.py",
        arguments: &["asyncio"],
        measure: turns,
    },
    Comparison {
        name: "call_soon ping-pong, uvloop",
        program: "call_soon.py",
        arguments: &["uvloop"],
        measure: turns,
    },
    Comparison {
        name: "TCP echo, asyncio",
        program: "echo_server.py",
        arguments: &["asyncio"],
        measure: echoes,
    },
    Comparison {
        name: "TCP echo, uvloop",
        program: "echo_server.py",
        arguments: &["uvloop"],
        measure: echoes,
    },
    Comparison {
        name: "uvicorn under load",
        program: "web_server.py",
        arguments: &[],
        measure: requests,
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
    let rounds = setting.choose(15, 3);
    println!(
        "{title}: time for one operation, median of {rounds} interleaved rounds [middle half]"
    );
    println!(
        "{:30} {:>9} {:>9}   {:22} {:22}",
        "", "bare µs", "watched", "watched / bare", "noise: bare / bare"
    );
    for comparison in comparisons {
        // One round more, thrown away: the first finds cold caches.
        let all: Result<Vec<_>> = (0..=rounds)
            .map(|_| round(setting, comparison, start))
            .collect();
        let all = &all?[1..];
        print_row(comparison.name, all, |cost| Some(cost.wall_micros));
        print_row("  its processor time", all, |cost| cost.cpu_micros);
    }
    Ok(())
}

fn print_row(name: &str, rounds: &[Round], pick: impl Fn(&Cost) -> Option<f64>) {
    let column = |which: fn(&Round) -> &Cost| -> Option<Vec<f64>> {
        rounds.iter().map(|round| pick(which(round))).collect()
    };
    let (Some(bare), Some(watched), Some(again)) = (
        column(|r| &r.bare),
        column(|r| &r.watched),
        column(|r| &r.bare_again),
    ) else {
        return;
    };
    // Against the mean of the runs before and after it, so that a drift of the machine cancels out.
    let sides = bare.iter().zip(&again);
    let ratios = watched
        .iter()
        .zip(sides)
        .map(|(w, (b, a))| w / ((b + a) / 2.0));
    let noise = bare.iter().zip(&again).map(|(b, a)| a / b);
    let (ratios, noise) = (Spread::of(ratios), Spread::of(noise));
    println!(
        "{name:30} {:9.3} {:9.3}   {:22} {:22}",
        Spread::of(bare.iter().copied()).median(),
        Spread::of(watched.iter().copied()).median(),
        ratios.text(),
        noise.text()
    );
}

fn round(setting: &Setting, comparison: &Comparison, start: Start) -> Result<Round> {
    let mut arguments = comparison.arguments.to_vec();
    let seconds = seconds(setting).as_secs_f64().to_string();
    arguments.push(&seconds);
    let command = setting.program(comparison.program, &arguments);
    let bare = (comparison.measure)(setting, &mut Running::bare(&command)?)?;
    let watched = (comparison.measure)(setting, &mut start(setting, &command)?)?;
    let bare_again = (comparison.measure)(setting, &mut Running::bare(&command)?)?;
    Ok(Round {
        bare,
        watched,
        bare_again,
    })
}

/// How long one run measures.
fn seconds(setting: &Setting) -> Duration {
    setting.choose(Duration::from_secs(2), Duration::from_millis(700))
}

fn turns(_: &Setting, running: &mut Running) -> Result<Cost> {
    let nanos: f64 = running.line()?.parse()?;
    Ok(Cost {
        wall_micros: nanos / 1_000.0,
        cpu_micros: None,
    })
}

fn echoes(setting: &Setting, running: &mut Running) -> Result<Cost> {
    under_load(setting, running, &[b'e'; 64])
}

fn requests(setting: &Setting, running: &mut Running) -> Result<Cost> {
    under_load(setting, running, b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n")
}

fn under_load(setting: &Setting, running: &mut Running, request: &[u8]) -> Result<Cost> {
    let line = running.line()?;
    let (pid, port) = line
        .split_once(' ')
        .context("the server says pid and port")?;
    let (pid, port) = (pid.parse()?, port.parse()?);
    load::exchanges(port, request, Duration::from_millis(200))?;
    let cpu_before = cpu_seconds(pid)?;
    let time = seconds(setting);
    let count = exchanges(port, request, time)? as f64;
    let cpu = cpu_seconds(pid)? - cpu_before;
    Ok(Cost {
        wall_micros: time.as_secs_f64() / count * 1e6,
        cpu_micros: Some(cpu / count * 1e6),
    })
}
