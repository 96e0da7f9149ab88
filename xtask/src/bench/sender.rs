//! How much the load engine of `loopscope stress` sends from one core, beside wrk, the fastest that there is; and
//! whether both measure the same.
//!
//! Both send to the same server on the other core, in turns, so that whatever else the machine does falls on both.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use xshell::{Shell, cmd};

use super::Setting;
use super::stats::Spread;
use crate::preflight::is_there;

/// As many connections for both.
const CONNECTIONS: &str = "50";

/// What the server takes for an answer where the two are compared in what they measure, in milliseconds.
const KNOWN: &str = "5";

/// Measures both.
pub(crate) fn run(setting: &Setting) -> Result<()> {
    let shell = Shell::new()?;
    shell.change_dir(crate::root());
    cmd!(
        shell,
        "cargo build --release -p loopscope-load --example send --example trivial_server"
    )
    .run()?;
    let has_wrk = is_there("wrk");
    if !has_wrk {
        println!("SKIPPED: wrk, since it is not installed");
        println!("hint: apt-get install wrk");
    }
    let rounds = setting.choose(10, 3);
    let seconds = setting.choose("4", "2");
    println!(
        "{CONNECTIONS} connections in closed loop to a server on one core; median and middle half of {rounds} rounds \
         in turns"
    );
    let fast = rounds_against("0", rounds, seconds, has_wrk)?;
    println!("requests a second to a server that answers at once");
    row("  loopscope-load", &fast, |round| Some(round.own.rate));
    row("  its processor time, µs each", &fast, |round| {
        Some(round.own.share / round.own.rate * 1e6)
    });
    row("  wrk, one thread", &fast, |round| Some(round.wrk?.rate));
    row("  loopscope-load / wrk", &fast, |round| {
        Some(round.own.rate / round.wrk?.rate)
    });
    let known = rounds_against(KNOWN, rounds, seconds, has_wrk)?;
    println!("what is measured of a server that takes {KNOWN} ms");
    row("  p50, ms", &known, |round| Some(round.own.p50_ms));
    row("  p50 / wrk's", &known, |round| {
        Some(round.own.p50_ms / round.wrk?.p50_ms)
    });
    row("  p99 / wrk's", &known, |round| {
        Some(round.own.p99_ms / round.wrk?.p99_ms)
    });
    row("  rate / wrk's", &known, |round| {
        Some(round.own.rate / round.wrk?.rate)
    });
    Ok(())
}

/// What both said in one round.
struct Round {
    own: Said,
    wrk: Option<Said>,
}

#[derive(Clone, Copy)]
struct Said {
    rate: f64,
    p50_ms: f64,
    p99_ms: f64,
    /// The share of a core that sending took; 0 of wrk, which does not say.
    share: f64,
}

fn row(name: &str, rounds: &[Round], figure: impl Fn(&Round) -> Option<f64>) {
    let values: Option<Vec<f64>> = rounds.iter().map(figure).collect();
    if let Some(values) = values {
        println!("{name:32} {}", Spread::of(values).text());
    }
}

/// Who is first takes turns, too.
fn rounds_against(delay: &str, rounds: usize, seconds: &str, has_wrk: bool) -> Result<Vec<Round>> {
    let server = Server::start(delay)?;
    let url = &server.url;
    let round = |number: usize| {
        let early = (has_wrk && number.is_multiple_of(2)).then(|| wrk(url, seconds));
        let own = send(url, seconds)?;
        let late = (has_wrk && !number.is_multiple_of(2)).then(|| wrk(url, seconds));
        let wrk = early.or(late).transpose()?;
        Ok(Round { own, wrk })
    };
    (0..rounds).map(round).collect()
}

fn send(url: &str, seconds: &str) -> Result<Said> {
    let output = Command::new(example("send"))
        .args([url, CONNECTIONS, seconds])
        .output()?;
    let said: serde_json::Value = serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    let figure = |name: &str| {
        let value = said.pointer(name).and_then(|value| value.as_f64());
        value.with_context(|| format!("{name} in {said}"))
    };
    Ok(Said {
        rate: figure("/rate")?,
        p50_ms: figure("/latency/p50_ms")?,
        p99_ms: figure("/latency/p99_ms")?,
        share: figure("/own_share")?,
    })
}

fn wrk(url: &str, seconds: &str) -> Result<Said> {
    let output = Command::new("wrk")
        .args(["-t1", "--latency", "-c", CONNECTIONS, "-d", seconds, url])
        .output()?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "wrk: {}: {complaint}",
        output.status
    );
    let text = String::from_utf8_lossy(&output.stdout);
    let figure = |name: &str| {
        let mut lines = text.lines();
        let found = lines.find_map(|line| line.trim().strip_prefix(name));
        found
            .map(str::trim)
            .with_context(|| format!("no {name} in {text}"))
    };
    Ok(Said {
        rate: figure("Requests/sec:")?.parse()?,
        p50_ms: millis(figure("50%")?)?,
        p99_ms: millis(figure("99%")?)?,
        share: 0.0,
    })
}

/// A length of time as wrk writes it: `812.00us`, `5.12ms`, `1.20s`.
fn millis(text: &str) -> Result<f64> {
    let units = [("us", 1e-3), ("ms", 1.0), ("s", 1e3)];
    let found = units
        .iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)));
    let (number, factor) = found.with_context(|| format!("a length of time: {text}"))?;
    Ok(number.parse::<f64>()? * factor)
}

fn example(name: &str) -> PathBuf {
    crate::target().join("release/examples").join(name)
}

/// The server; it ends with this.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(delay: &str) -> Result<Self> {
        let mut child = Command::new(example("trivial_server"))
            .arg(delay)
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().context("stdout is piped")?;
        let mut url = String::new();
        BufReader::new(stdout).read_line(&mut url)?;
        Ok(Self {
            child,
            url: url.trim().to_owned(),
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Failing means that it has ended, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
