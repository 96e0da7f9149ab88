//! The engine by itself, for the benchmark: `send URL SENDERS SECONDS`, or `send URL SENDERS SECONDS RATE` in open
//! loop. Prints answers a second, the share of a core that sending took, and latencies, as JSON.

#![expect(clippy::print_stdout, reason = "the benchmark reads it")]

use std::error::Error;
use std::time::Duration;

use loopscope_load::{Address, Latency, Load, Request, Shape, Stream};

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [url, senders, seconds, rate @ ..] = words.as_slice() else {
        return Err("expected URL SENDERS SECONDS [RATE]".into());
    };
    let (address, path) = Address::parse(url)?;
    let (senders, duration) = (senders.parse()?, Duration::from_secs_f64(seconds.parse()?));
    let shape = match rate.first() {
        None => Shape::Closed { senders },
        Some(rate) => Shape::Open {
            rate: rate.parse()?,
            connections: senders,
        },
    };
    let stream = Stream {
        name: format!("GET {path}"),
        request: Request::new(address, "GET", &path, &[], Vec::new())?,
        shape,
        timeout: Duration::from_secs(10),
    };
    let load = Load {
        streams: vec![stream],
        duration,
    };
    let outcome = load.start()?.finish()?;
    let tally = &outcome.streams[0];
    let said = serde_json::json!({
        "rate": tally.answered as f64 / outcome.sent_for.as_secs_f64(),
        "own_share": outcome.own_share,
        "failed": tally.failed(),
        "late": tally.late,
        "latency": Latency::of(&tally.latencies),
    });
    println!("{said}");
    Ok(())
}
