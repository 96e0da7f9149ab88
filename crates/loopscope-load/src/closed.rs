//! Closed loop: each sender sends its next request when it has the answer to its last.

use std::sync::Arc;
use std::time::Instant;

use tokio::time::timeout;

use crate::client::Client;

/// Sends until `until`, and waits for the answer to what was sent by then.
pub(crate) async fn send(client: Arc<Client>, until: Instant) {
    // Where nobody takes connections, the first request says so.
    let connected = timeout(client.timeout(), client.connect()).await;
    let mut slot = connected.ok().and_then(Result::ok);
    while Instant::now() < until {
        client.send(&mut slot, Instant::now()).await;
    }
}
