//! A closed-loop load: each connection sends the next request when the answer to the last is whole.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Enough to keep a single-threaded server busy without a pause, few enough for one core to serve them.
const CONNECTIONS: usize = 8;

/// Connections to a server, and what they ask.
pub(crate) struct Load {
    streams: Vec<TcpStream>,
    request: &'static [u8],
    /// All answers must be as long as the first.
    answer_bytes: usize,
}

impl Load {
    /// Connects, and learns how long an answer is.
    pub(crate) fn connect(port: u16, request: &'static [u8]) -> Result<Self> {
        let streams: Result<Vec<_>> = (0..CONNECTIONS).map(|_| connect(port)).collect();
        let streams = streams?;
        let mut first = streams.first().context("there is a connection")?;
        first.write_all(request)?;
        let mut answer = [0; 4096];
        let answer_bytes = first.read(&mut answer)?;
        if answer_bytes == 0 {
            bail!("the server closed the connection");
        }
        Ok(Self {
            streams,
            request,
            answer_bytes,
        })
    }

    /// Asks over and over for `time`. Returns how many answers came, and how long that took.
    pub(crate) fn exchange(&mut self, time: Duration) -> Result<(u64, Duration)> {
        let begun = Instant::now();
        let (request, answer_bytes) = (self.request, self.answer_bytes);
        let counts: Vec<Result<u64>> = thread::scope(|scope| {
            let threads: Vec<_> = self
                .streams
                .iter_mut()
                .map(|stream| scope.spawn(move || ask(stream, request, answer_bytes, begun + time)))
                .collect();
            threads
                .into_iter()
                .filter_map(|thread| thread.join().ok())
                .collect()
        });
        let count = counts.into_iter().sum::<Result<u64>>()?;
        Ok((count, begun.elapsed()))
    }
}

fn ask(stream: &mut TcpStream, request: &[u8], bytes: usize, until: Instant) -> Result<u64> {
    let mut answer = vec![0; bytes];
    let mut count = 0;
    while Instant::now() < until {
        stream.write_all(request)?;
        stream.read_exact(&mut answer)?;
        count += 1;
    }
    Ok(count)
}

fn connect(port: u16) -> Result<TcpStream> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(Duration::from_secs(10)))?;
                return Ok(stream);
            }
            Err(error) if Instant::now() > deadline => return Err(error.into()),
            Err(_) => thread::sleep(Duration::from_millis(10)),
        }
    }
}
