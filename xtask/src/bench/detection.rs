//! From crossing the stall threshold to the finding with its frames on `/health`.
//!
//! Includes the answer's own way and the pause between two questions, so the truth is a little better.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::time::{ClockId, clock_gettime};

use super::Setting;
use super::child::Running;
use super::health::ask;
use super::stats::Spread;

const THRESHOLD_SECONDS: f64 = 0.1;
const STALL_SECONDS: f64 = 0.3;

/// Measures stalls of 300 ms, each a finding of its own.
pub(crate) fn run(setting: &Setting) -> Result<()> {
    let count = setting.choose(60, 10);
    let mut running = Running::served(
        setting,
        &setting.program("stalls.py", &[&count.to_string()]),
    )?;
    let address = running.health.context("/health is served")?;
    let delays = measure(&mut running, address, count)?;
    println!("from crossing the stall threshold to the finding with its frames on /health");
    println!("{}", delays.text());
    Ok(())
}

/// How late findings were.
pub(super) struct Delays {
    millis: Spread,
    missed: usize,
}

impl Delays {
    pub(super) fn text(&self) -> String {
        let [p50, p90, worst] = [0.5, 0.9, 1.0].map(|share| self.millis.quantile(share));
        let (missed, count) = (self.missed, self.millis.count() + self.missed);
        if missed == count {
            return format!("not one of {count} was found in time");
        }
        format!(
            "p50 {p50:.1} ms   p90 {p90:.1} ms   worst {worst:.1} ms   of {count}; not found in time: {missed}"
        )
    }
}

/// Watches as many stalls as the program is to make; it says when each began.
pub(super) fn measure(running: &mut Running, address: SocketAddr, count: usize) -> Result<Delays> {
    let over = AtomicBool::new(false);
    let (starts, found) = thread::scope(|scope| {
        let watcher = scope.spawn(|| findings_open(address, &over));
        let starts: Result<Vec<f64>> = (0..count).map(|_| Ok(running.line()?.parse()?)).collect();
        over.store(true, Ordering::Relaxed);
        (starts, watcher.join().unwrap_or_default())
    });
    let starts = starts?;
    let delays = starts
        .iter()
        .filter_map(|start| delay_millis(*start, &found));
    let millis = Spread::of(delays);
    Ok(Delays {
        missed: starts.len() - millis.count(),
        millis,
    })
}

/// When each answer with an open, explained stall came.
fn findings_open(address: SocketAddr, over: &AtomicBool) -> Vec<f64> {
    let mut times = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let answer = ask(address);
        let came = monotonic_seconds();
        if answer.is_ok_and(|body| has_explained_stall(&body)) {
            times.push(came);
        }
        thread::sleep(Duration::from_millis(1));
    }
    times
}

fn has_explained_stall(body: &str) -> bool {
    let report: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let explained = |incident: &serde_json::Value| {
        let frames = incident["frames"].as_array();
        incident["closed_at"].is_null() && frames.is_some_and(|frames| !frames.is_empty())
    };
    report["incidents"]
        .as_array()
        .is_some_and(|incidents| incidents.iter().any(explained))
}

fn delay_millis(start: f64, found: &[f64]) -> Option<f64> {
    let crossed = start + THRESHOLD_SECONDS;
    let first = found
        .iter()
        .find(|at| (crossed..start + STALL_SECONDS).contains(*at))?;
    Some((first - crossed) * 1_000.0)
}

fn monotonic_seconds() -> f64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}
