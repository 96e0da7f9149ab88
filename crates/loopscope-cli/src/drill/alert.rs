//! Listens for the alert that an operator has set up: whatever it is, it is to call this address.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use loopscope_recorder::clock::monotonic_nanos;

use super::refusal::Refusal;
use crate::exit_codes::UNAVAILABLE;
use crate::screen::Text;

/// As much of a request as is read: its first line tells which it is.
const MOST_BYTES: usize = 8 * 1024;

/// A caller that says nothing for so long is none.
const PATIENCE: Duration = Duration::from_secs(2);

const ANSWER: &[u8] = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";

/// Calls that came, each with its time on the monotonic clock and the first line of its request.
pub(super) struct Alerts {
    pub(super) address: SocketAddr,
    calls: Arc<Mutex<Vec<(u64, String)>>>,
}

impl Alerts {
    /// Listens until the program ends.
    pub(super) fn listen(address: SocketAddr) -> Result<Self, Refusal> {
        let refused = |error: std::io::Error| {
            Refusal::new(
                UNAVAILABLE,
                format!("cannot listen for alerts ({error}): {address}"),
                "name another address: --expect-alert 127.0.0.1:PORT",
            )
        };
        let listener = TcpListener::bind(address).map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let calls = Arc::<Mutex<Vec<_>>>::default();
        let theirs = Arc::clone(&calls);
        let attend = move || {
            for stream in listener.incoming().flatten() {
                if let Some(line) = attend(stream) {
                    lock(&theirs).push((monotonic_nanos(), line));
                }
            }
        };
        let attending = thread::Builder::new()
            .name("loopscope-alerts".into())
            .spawn(attend);
        attending.map_err(refused)?;
        Ok(Self { address, calls })
    }

    /// When the first one after this came.
    pub(super) fn first_after(&self, nanos: u64) -> Option<u64> {
        let calls = lock(&self.calls);
        calls.iter().map(|(at, _)| *at).find(|at| *at >= nanos)
    }

    /// How many came from then on, and the first one's line.
    pub(super) fn since(&self, nanos: u64) -> (u64, Option<String>) {
        let calls = lock(&self.calls);
        let mut late = calls.iter().filter(|(at, _)| *at >= nanos);
        let first = late.next().map(|(_, line)| line.clone());
        (u64::from(first.is_some()) + late.count() as u64, first)
    }
}

fn lock(calls: &Mutex<Vec<(u64, String)>>) -> MutexGuard<'_, Vec<(u64, String)>> {
    // Nothing panics with it in hand.
    calls.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes one call: reads its head, and says that it was heard.
fn attend(mut stream: TcpStream) -> Option<String> {
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    let mut head = vec![0; MOST_BYTES];
    let mut length = 0;
    while length < head.len() && !head[..length].contains(&b'\n') {
        match stream.read(&mut head[length..]) {
            Ok(0) | Err(_) => break,
            Ok(more) => length += more,
        }
    }
    // Whoever hung up has said enough.
    let _ = stream.write_all(ANSWER);
    let line = String::from_utf8_lossy(&head[..length]);
    let line = line.lines().next().unwrap_or_default();
    (!line.is_empty()).then(|| Text::new(line).to_string())
}
