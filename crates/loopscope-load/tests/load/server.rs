//! Servers with one loop on one thread, as an asyncio service is: what one connection does to the thread, all feel.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;

/// Where a server listens.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
}

impl Server {
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// Serves each connection with `serve`, for as long as the tests run.
pub(crate) fn serve<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> Server
where
    F: Future<Output = ()> + Send + 'static,
{
    let (bound, address) = channel();
    thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            bound.send(listener.local_addr().unwrap()).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                tokio::spawn(serve(stream));
            }
        });
    });
    Server {
        address: address.recv().unwrap(),
    }
}

/// Reads one request without a body; `false` where there are no more.
pub(crate) async fn read_request(stream: &mut TcpStream) -> bool {
    let mut asked = Vec::new();
    let mut part = [0; 1024];
    while !asked.ends_with(b"\r\n\r\n") {
        match stream.read(&mut part).await {
            Ok(0) | Err(_) => return false,
            Ok(count) => asked.extend(&part[..count]),
        }
    }
    true
}

pub(crate) const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A server that answers with these bytes at once, on connections that it keeps.
pub(crate) fn answering(answer: &'static [u8]) -> Server {
    serve(move |mut stream| async move {
        while read_request(&mut stream).await && stream.write_all(answer).await.is_ok() {}
    })
}

/// How long a server took to answer each request, as it saw it itself.
pub(crate) type Took = Arc<Mutex<Vec<Duration>>>;

/// A server whose answers take a known time: `delay` of the request's number.
pub(crate) fn taking(delay: fn(u64) -> Duration) -> (Server, Took) {
    let (number, took) = (Arc::new(AtomicU64::new(0)), Took::default());
    let noted = Arc::clone(&took);
    let server = serve(move |mut stream| {
        let (number, noted) = (Arc::clone(&number), Arc::clone(&noted));
        async move {
            while read_request(&mut stream).await {
                let began = Instant::now();
                tokio::time::sleep(delay(number.fetch_add(1, Ordering::Relaxed))).await;
                noted.lock().unwrap().push(began.elapsed());
                if stream.write_all(OK).await.is_err() {
                    break;
                }
            }
        }
    });
    (server, took)
}

/// A server that answers at once, but that once, `after` its first request, its loop stands still for `stall`.
pub(crate) fn stalling(after: Duration, stall: Duration) -> Server {
    let due: Arc<Mutex<Option<Option<Instant>>>> = Arc::new(Mutex::new(Some(None)));
    serve(move |mut stream| {
        let due = Arc::clone(&due);
        async move {
            while read_request(&mut stream).await {
                if is_due(&mut due.lock().unwrap(), after) {
                    // Of the thread, and so of everybody.
                    thread::sleep(stall);
                }
                if stream.write_all(OK).await.is_err() {
                    break;
                }
            }
        }
    })
}

/// Once, so long after the first time that it is asked. `None` once it was.
fn is_due(due: &mut Option<Option<Instant>>, after: Duration) -> bool {
    let Some(at) = due else { return false };
    let is_over = at.get_or_insert_with(|| Instant::now() + after) <= &mut Instant::now();
    if is_over {
        *due = None;
    }
    is_over
}
