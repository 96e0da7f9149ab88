//! A closed-loop load: each connection sends the next request when the answer to the last is whole.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Enough to keep a single-threaded server busy without a pause, few enough for one core to serve them.
const CONNECTIONS: usize = 8;

/// Sends `request` over and over for `time` and returns how many answers came. All answers must be as
/// long as the first.
pub(crate) fn exchanges(port: u16, request: &[u8], time: Duration) -> Result<u64> {
    let length = first_answer(port, request)?;
    let until = Instant::now() + time;
    let exchanged = AtomicU64::new(0);
    let results: Vec<Result<()>> = thread::scope(|scope| {
        let work = || connection(port, request, length, until, &exchanged);
        let threads: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(work)).collect();
        threads
            .into_iter()
            .filter_map(|thread| thread.join().ok())
            .collect()
    });
    results.into_iter().collect::<Result<Vec<()>>>()?;
    Ok(exchanged.into_inner())
}

/// The length of one whole answer: the first one, alone on its connection.
fn first_answer(port: u16, request: &[u8]) -> Result<usize> {
    let mut stream = connect(port)?;
    stream.write_all(request)?;
    let mut answer = [0; 4096];
    let length = stream.read(&mut answer)?;
    if length == 0 {
        bail!("the server closed the connection");
    }
    Ok(length)
}

fn connection(
    port: u16,
    request: &[u8],
    length: usize,
    until: Instant,
    exchanged: &AtomicU64,
) -> Result<()> {
    let mut stream = connect(port)?;
    let mut answer = vec![0; length];
    while Instant::now() < until {
        stream.write_all(request)?;
        stream.read_exact(&mut answer)?;
        exchanged.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
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
