//! The bridge from the observer to the surfaces: snapshots to the server, changes to the terminal.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use loopscope_engine::change::{Change, Probes};
use loopscope_engine::report::Report;
use loopscope_engine::watch::Publish;
use loopscope_server::{Publisher, Server, ServerConfig, ServerError, SnapshotCell, Token};

use super::options::{Listen, RunArgs};
use crate::messages::{complain, say};

/// The port of the health endpoint, unless told otherwise.
const DEFAULT_PORT: u16 = 14159;

/// Where a second run on the same host looks for a free port.
const NEXT_PORTS: u16 = 16;

/// Takes each change as it happens, and each new state.
pub(crate) trait Show: Send {
    /// An incident changed.
    fn change(&mut self, change: &Change);
    /// The state now; told several times a second.
    fn state(&mut self, _report: &Report) {}
}

/// Hands snapshots to the server and changes to whoever shows them.
pub(crate) struct Bridge {
    pub(crate) publisher: Publisher,
    pub(crate) show: Box<dyn Show>,
}

impl Publish for Bridge {
    fn change(&mut self, change: &Change) {
        self.show.change(change);
    }

    fn snapshot(&mut self, report: Report, probes: Probes) {
        self.show.state(&report);
        self.publisher.snapshot(report, probes);
    }
}

/// Starts the server, unless there is to be none.
pub(crate) fn start(
    args: &RunArgs,
    token: Option<Token>,
    cell: &Arc<SnapshotCell>,
) -> Option<Result<Server, ServerError>> {
    match args.listen {
        Some(Listen::Off) => None,
        Some(Listen::At(address)) => Some(listen_at(address, token, cell)),
        None => Some(listen_by_default(token, cell)),
    }
}

/// Says what became of it. A server that cannot start leaves the target running without one.
pub(crate) fn tell(started: Result<Server, ServerError>) -> Option<Server> {
    match started {
        Ok(server) => {
            say(&format!(
                "listening on http://{}/health",
                server.local_addr()
            ));
            Some(server)
        }
        Err(error) => {
            complain(&format!("no health endpoint: {error}"), &error.hint());
            None
        }
    }
}

/// Where the target reaches the server: one that listens everywhere answers on loopback too.
pub(crate) fn endpoint(server: &Server) -> SocketAddr {
    let address = server.local_addr();
    match address.ip() {
        ip if !ip.is_unspecified() => address,
        IpAddr::V4(_) => (Ipv4Addr::LOCALHOST, address.port()).into(),
        IpAddr::V6(_) => (Ipv6Addr::LOCALHOST, address.port()).into(),
    }
}

fn listen_at(
    address: SocketAddr,
    token: Option<Token>,
    cell: &Arc<SnapshotCell>,
) -> Result<Server, ServerError> {
    let config = ServerConfig {
        token,
        ..ServerConfig::new(address)
    };
    loopscope_server::start(config, Arc::clone(cell))
}

/// The default port, or the next free one: two runs on a host must not get in each other's way.
fn listen_by_default(
    token: Option<Token>,
    cell: &Arc<SnapshotCell>,
) -> Result<Server, ServerError> {
    let at = |port| listen_at((Ipv4Addr::LOCALHOST, port).into(), token.clone(), cell);
    let mut result = at(DEFAULT_PORT);
    for port in DEFAULT_PORT + 1..=DEFAULT_PORT + NEXT_PORTS {
        match &result {
            Err(error) if is_taken(error) => result = at(port),
            _ => break,
        }
    }
    result
}

fn is_taken(error: &ServerError) -> bool {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return error.kind() == io::ErrorKind::AddrInUse;
        }
        source = error.source();
    }
    false
}
