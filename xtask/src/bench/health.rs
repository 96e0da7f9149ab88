//! How fast `/health` answers while every loop of the target is blocked and its lock is held.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::Setting;
use super::child::Running;
use super::stats::Spread;

const CLIENTS: usize = 50;

/// Measures fifty clients, asking ten times a second each and asking without a pause.
pub(crate) fn run(setting: &Setting) -> Result<()> {
    let mut running = Running::served(setting, &setting.program("all_blocked.py", &[]))?;
    let address = running.health.context("/health is served")?;
    running.line()?;
    until_blocked(address)?;
    println!(
        "/health while every loop is blocked, {CLIENTS} clients at once, a connection for each question"
    );
    let time = setting.choose(Duration::from_secs(10), Duration::from_secs(2));
    print_row(
        "each asks 10 times a second",
        &clients(address, time, Duration::from_millis(100))?,
    );
    print_row(
        "each asks without a pause",
        &clients(address, time, Duration::ZERO)?,
    );
    Ok(())
}

fn print_row(name: &str, millis: &Spread) {
    let quantiles = [0.5, 0.99, 1.0].map(|share| millis.quantile(share));
    let [p50, p99, worst] = quantiles;
    println!(
        "{name:30} p50 {p50:.2} ms   p99 {p99:.2} ms   worst {worst:.2} ms   of {}",
        millis.count()
    );
}

/// Waits until both loops are said to be away from their polls.
fn until_blocked(address: SocketAddr) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(20);
    while Instant::now() < deadline {
        let report: serde_json::Value = serde_json::from_str(&ask(address)?)?;
        let loops = report["detailed_health"]["event_loops"].as_array();
        let away =
            |l: &&serde_json::Value| matches!(l["state"].as_str(), Some("stalled" | "blocked"));
        if loops.is_some_and(|loops| loops.iter().filter(away).count() == 2) {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(20));
    }
    bail!("the two loops were not reported as stalled")
}

/// The latencies in milliseconds.
fn clients(address: SocketAddr, time: Duration, pause: Duration) -> Result<Spread> {
    let until = Instant::now() + time;
    let latencies: Vec<Result<Vec<f64>>> = thread::scope(|scope| {
        let threads: Vec<_> = (0..CLIENTS)
            .map(|number| {
                // Spread over the pause: fifty clients do not ask in step.
                let first = pause.mul_f64(number as f64 / CLIENTS as f64);
                scope.spawn(move || client(address, until, first, pause))
            })
            .collect();
        threads
            .into_iter()
            .filter_map(|thread| thread.join().ok())
            .collect()
    });
    let latencies: Result<Vec<_>> = latencies.into_iter().collect();
    Ok(Spread::of(latencies?.into_iter().flatten()))
}

fn client(
    address: SocketAddr,
    until: Instant,
    first: Duration,
    pause: Duration,
) -> Result<Vec<f64>> {
    let mut latencies = Vec::new();
    thread::sleep(first);
    while Instant::now() < until {
        let start = Instant::now();
        ask(address)?;
        latencies.push(start.elapsed().as_secs_f64() * 1_000.0);
        thread::sleep(pause.saturating_sub(start.elapsed()));
    }
    Ok(latencies)
}

/// One question on a connection of its own; the body of the answer.
pub(crate) fn ask(address: SocketAddr) -> Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").context("an HTTP answer")?;
    Ok(body.to_owned())
}
