//! The server's life: bind, serve on one native thread, stop when dropped.
//!
//! One thread and one single-threaded runtime, so that serving costs the process one stack and no
//! worker pool, and never competes with the engine for more than one processor.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use crate::config::ServerConfig;
use crate::connections::accept_forever;
use crate::error::ServerError;
use crate::guard::Guard;
use crate::routes;
use crate::snapshot::SnapshotCell;

/// How many connections the kernel keeps for a server that is short of processor time, before clients
/// see a refusal.
const BACKLOG: u32 = 1024;

/// The serving thread's stack. Requests are shallow; the default of 2 MiB would only be address space,
/// but some containers count it.
const STACK_BYTES: usize = 512 * 1024;

/// A running server. Dropping it closes the port and every connection, and waits for its thread.
pub struct Server {
    local_addr: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Binds, then serves what `cell` holds on a thread of its own.
///
/// When this returns the port is open: a client that connects from now on is answered.
pub fn start(config: ServerConfig, cell: Arc<SnapshotCell>) -> Result<Server, ServerError> {
    if config.token.is_none() && !config.is_loopback() {
        return Err(ServerError::TokenRequired {
            listen: config.listen,
        });
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(ServerError::Thread)?;
    let bind_error = |source| ServerError::Bind {
        listen: config.listen,
        source,
    };
    let listener = bind(&runtime, config.listen).map_err(bind_error)?;
    let local_addr = listener.local_addr().map_err(bind_error)?;
    let router = routes::router(cell, Guard::new(&config));
    let (stop, stopped) = oneshot::channel();
    let thread = std::thread::Builder::new()
        .name("loopscope-http".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(move || {
            runtime.spawn(accept_forever(listener, router, config.limits));
            // Either a message or the sender's end stops the thread.
            let _ = runtime.block_on(stopped);
        })
        .map_err(ServerError::Thread)?;
    Ok(Server {
        local_addr,
        stop: Some(stop),
        thread: Some(thread),
    })
}

/// As the standard library's bind, but with a backlog that a burst of clients fits into. The socket is
/// closed on exec, so the target does not inherit the port.
fn bind(runtime: &Runtime, listen: SocketAddr) -> io::Result<TcpListener> {
    let _context = runtime.enter();
    let socket = if listen.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    socket.set_reuseaddr(true)?;
    socket.bind(listen)?;
    socket.listen(BACKLOG)
}

impl Server {
    /// The address that it listens on, with the port that the system chose.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Stops serving. The same as dropping it, for code that wants to say so.
    pub fn shutdown(self) {
        drop(self);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has nobody left to tell.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("local_addr", &self.local_addr)
            .finish_non_exhaustive()
    }
}
