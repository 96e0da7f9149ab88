//! A stream's way to the service: connects, sends, sends again where the service had just hung up, and counts.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http_body_util::Full;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::net::TcpStream;
use tokio::time::timeout_at;
use tokio_rustls::TlsConnector;

use crate::connection::{Answer, Connection};
use crate::error::LoadError;
use crate::failure::FailureKind;
use crate::load::{Request, Stream};
use crate::tally::Tally;

/// How long to leave a service alone with which there is no connection to be had: asking at once again would only burn the processor.
const PAUSE: Duration = Duration::from_millis(100);

/// What all senders of one stream share.
pub(crate) struct Client {
    request: Request,
    addresses: Vec<SocketAddr>,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    timeout: Duration,
    tally: Mutex<Tally>,
}

impl Client {
    /// Looks the name up, and prepares to encrypt.
    pub(crate) fn new(stream: &Stream) -> Result<Arc<Self>, LoadError> {
        let address = &stream.request.address;
        let addresses = address.resolve()?;
        let tls = address.secure.then(|| secured(&address.host)).transpose()?;
        Ok(Arc::new(Self {
            request: stream.request.clone(),
            addresses,
            tls,
            timeout: stream.timeout,
            tally: Mutex::new(Tally::new()),
        }))
    }

    pub(crate) fn tally(&self) -> MutexGuard<'_, Tally> {
        // Nothing panics with it in hand.
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Sends the request that was due at `due`, on the connection in `slot` or on a new one, which stays there for
    /// the next. What came of it is counted.
    pub(crate) async fn send(&self, slot: &mut Option<Connection>, due: Instant) {
        let sent = Instant::now();
        self.tally().send(sent.saturating_duration_since(due));
        let outcome = timeout_at((sent + self.timeout).into(), self.exchange(slot)).await;
        let latency = due.elapsed();
        match outcome {
            Ok(Ok(answer)) => {
                let is_good = self.request.is_good(answer.status);
                self.tally().answer(answer, is_good, latency);
            }
            Ok(Err(kind)) => {
                *slot = None;
                self.tally().fail(kind, latency);
                if kind.is_of_connecting() {
                    tokio::time::sleep(PAUSE).await;
                }
            }
            // The answer may still come, and is none to the next request.
            Err(_) => {
                *slot = None;
                self.tally().fail(FailureKind::TimedOut, latency);
            }
        }
    }

    async fn exchange(&self, slot: &mut Option<Connection>) -> Result<Answer, FailureKind> {
        if let Some(kept) = slot
            && kept.is_ready().await
        {
            let is_used = kept.has_carried;
            self.tally().reused += u64::from(is_used);
            match kept.exchange(self.message()).await {
                Err(kind) if is_used && self.was_hung_up(kind) => self.tally().resent += 1,
                outcome => return outcome,
            }
        }
        *slot = None;
        let fresh = slot.insert(self.connect().await?);
        fresh.exchange(self.message()).await
    }

    /// A service may close a kept connection at the very moment at which it is used again; whoever may send twice
    /// then does (RFC 9112, section 9.3.1).
    fn was_hung_up(&self, kind: FailureKind) -> bool {
        self.request.is_idempotent() && matches!(kind, FailureKind::Closed | FailureKind::Reset)
    }

    fn message(&self) -> http::Request<Full<bytes::Bytes>> {
        let mut message = http::Request::new(Full::new(self.request.body.clone()));
        *message.method_mut() = self.request.method.clone();
        *message.uri_mut() = self.request.uri.clone();
        *message.headers_mut() = self.request.headers.clone();
        message
    }

    /// Opens a connection to the first of the addresses that takes one.
    pub(crate) async fn connect(&self) -> Result<Connection, FailureKind> {
        let mut last = FailureKind::Unreachable;
        for address in &self.addresses {
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    let connection = self.greet(stream).await?;
                    self.tally().connections += 1;
                    return Ok(connection);
                }
                Err(error) => last = FailureKind::of_io(&error),
            }
        }
        Err(last)
    }

    async fn greet(&self, stream: TcpStream) -> Result<Connection, FailureKind> {
        // A request is one write, which must not wait for what acknowledges the last.
        stream
            .set_nodelay(true)
            .map_err(|error| FailureKind::of_io(&error))?;
        match &self.tls {
            None => Connection::new(stream).await,
            Some((connector, name)) => {
                let secured = connector.connect(name.clone(), stream).await;
                let secured = secured.map_err(|error| match FailureKind::of_io(&error) {
                    FailureKind::Other | FailureKind::Closed | FailureKind::Reset => {
                        FailureKind::Tls
                    }
                    kind => kind,
                })?;
                Connection::new(secured).await
            }
        }
    }
}

/// Encryption, checked as browsers check it: by the certificates that this host trusts.
fn secured(host: &str) -> Result<(TlsConnector, ServerName<'static>), LoadError> {
    let refused = |error: &dyn std::fmt::Display| LoadError::Tls(error.to_string());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| refused(&error))?;
    let builder = builder
        .with_platform_verifier()
        .map_err(|error| refused(&error))?;
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let name = ServerName::try_from(host.to_owned()).map_err(|error| refused(&error))?;
    Ok((TlsConnector::from(Arc::new(config)), name))
}
