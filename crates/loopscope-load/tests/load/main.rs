//! The engine against servers that answer in a known way: in a known time, with a known stall, badly, or not at all.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod answers;
mod ends;
mod latencies;
mod secure;
mod server;

use std::time::Duration;

use loopscope_load::{Address, Load, Outcome, Request, Shape, Stream, Tally};

/// A stream of `GET /` to a server on this host.
fn stream(url: &str, shape: Shape) -> Stream {
    let (address, path) = Address::parse(url).unwrap();
    Stream {
        name: format!("GET {path}"),
        request: Request::new(address, "GET", &path, &[], Vec::new()).unwrap(),
        shape,
        timeout: Duration::from_secs(10),
    }
}

fn closed(senders: usize) -> Shape {
    Shape::Closed { senders }
}

fn open(rate: f64) -> Shape {
    Shape::Open {
        rate,
        connections: 100,
    }
}

fn send(streams: Vec<Stream>, duration: Duration) -> Outcome {
    Load { streams, duration }
        .start()
        .unwrap()
        .finish()
        .unwrap()
}

/// One stream alone.
fn send_one(stream: Stream, duration: Duration) -> Tally {
    send(vec![stream], duration).streams.remove(0)
}
