//! A closed-loop load: each connection sends the next request when the answer to the last is whole.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Enough to keep a single-threaded server busy without a pause, few enough for one core to serve them.
const CONNECTIONS: usize = 8;

/// How long a server may take to listen, and to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whatever of an answer has not come by then is no part of it.
const REST: Duration = Duration::from_millis(200);

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
        let first = streams.first().context("there is a connection")?;
        let answer_bytes = length_of_an_answer(first, request)?;
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

/// All that comes until nothing more does: head and body may come one after the other.
fn length_of_an_answer(mut stream: &TcpStream, request: &[u8]) -> Result<usize> {
    stream.write_all(request)?;
    let mut answer = [0; 4096];
    let mut bytes = 0;
    loop {
        match stream.read(&mut answer) {
            Ok(0) => bail!("the server closed the connection"),
            Ok(more) => bytes += more,
            Err(_) if bytes > 0 => break,
            Err(error) => return Err(error.into()),
        }
        stream.set_read_timeout(Some(REST))?;
    }
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(bytes)
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
    let deadline = Instant::now() + PATIENCE;
    loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                return Ok(stream);
            }
            Err(error) if Instant::now() > deadline => return Err(error.into()),
            Err(_) => thread::sleep(Duration::from_millis(10)),
        }
    }
}
