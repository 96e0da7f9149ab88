//! Takes connections and bounds what they cost: how many, how long, how much of a request.
//!
//! It knows nothing of what is served on them.

use std::collections::VecDeque;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use crate::config::Limits;

/// The largest head of a request. A client's cookies and tracing headers fit; the least that hyper
/// takes is 8 KiB.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// How long to leave a listener alone that cannot accept, as when the process is out of descriptors:
/// trying again at once would only burn the processor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves `router` on every connection until the runtime is dropped.
pub(crate) async fn accept_forever(listener: TcpListener, router: Router, limits: Limits) {
    let mut open = OpenConnections::default();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                open.make_room(limits.max_connections).await;
                let task = tokio::spawn(serve(stream, router.clone(), limits));
                open.0.push_back(task.abort_handle());
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// Whether only the connection that was to be accepted is lost.
fn is_of_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionReset | Interrupted
    )
}

/// The connections that are open, oldest first.
#[derive(Default)]
struct OpenConnections(VecDeque<AbortHandle>);

impl OpenConnections {
    /// Closes the oldest connections until one more is within the limit, and lets the runtime drop
    /// them, which is what gives their descriptors back.
    async fn make_room(&mut self, max: usize) {
        self.0.retain(|connection| !connection.is_finished());
        while self.0.len() >= max.max(1) {
            if let Some(oldest) = self.0.pop_front() {
                oldest.abort();
            }
            tokio::task::yield_now().await;
        }
    }
}

/// Errors end here: they are the client's, and the observed service must not hear of them.
async fn serve(stream: TcpStream, router: Router, limits: Limits) {
    // Answers are a single write, which must not wait for the client's acknowledgement of the last.
    let _ = stream.set_nodelay(true);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_read)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    if timeout(limits.connection_lifetime, connection.as_mut())
        .await
        .is_err()
    {
        connection.as_mut().graceful_shutdown();
        let _ = timeout(limits.header_read, connection).await;
    }
}
