//! The demo's users: ordinary requests all the time, and now and then the one that hurts.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Signal, getpid, kill_process};

use super::sample::Users;
use super::screen;

/// Ordinary requests come at this distance.
const ORDINARY: Duration = Duration::from_millis(50);

/// How long after a hurtful request the health endpoint is asked: the loop is blocked by then.
const ASK_HEALTH: Duration = Duration::from_millis(400);

/// Drives the service on this port until the time is up, then asks our own process to end.
pub(crate) fn drive(
    users: Users,
    port: u16,
    endpoint: Option<SocketAddr>,
    length: Option<Duration>,
) {
    let end = length.map(|length| Instant::now() + length);
    let is_over = || end.is_some_and(|end| Instant::now() >= end);
    let service = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut ordinary = users.ordinary.iter().cycle();
    for (path, quiet) in users.script.iter().cycle() {
        let until = Instant::now() + *quiet;
        while Instant::now() < until && !is_over() {
            let _ = ordinary.next().map(|path| get(service, path));
            thread::sleep(ORDINARY);
        }
        if is_over() {
            break;
        }
        hurt(service, path, endpoint);
    }
    // As `kill` would: the run passes it on to the service and sums up.
    let _ = kill_process(getpid(), Signal::TERM);
}

/// Sends the request that hurts, and asks both the service and its health meanwhile.
fn hurt(service: SocketAddr, path: &'static str, endpoint: Option<SocketAddr>) {
    screen::announce(path);
    let request = thread::spawn(move || drop(get(service, path)));
    thread::sleep(ASK_HEALTH);
    let asked = endpoint.map(|endpoint| {
        let began = Instant::now();
        (get(endpoint, "/health").is_ok(), began.elapsed())
    });
    let began = Instant::now();
    let user = get(service, "/orders").map(|()| began.elapsed());
    screen::compare(asked, user.ok());
    let _ = request.join();
}

fn get(address: SocketAddr, path: &str) -> std::io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2))?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let host = address.ip();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    if answer.starts_with(b"HTTP/1.1 ") {
        Ok(())
    } else {
        Err(std::io::ErrorKind::InvalidData.into())
    }
}
