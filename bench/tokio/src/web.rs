//! A server that answers at once.

use std::net::Ipv4Addr;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::routing::get;
use tokio::net::TcpListener;

use crate::variant::{Variant, monitor};
use crate::{Result, say};

/// Serves for as long as it is let.
pub(crate) async fn serve(variant: Variant) -> Result<()> {
    let router = Router::new().route("/", get(|| async { "hello" }));
    let router = match variant {
        // Who has a monitor for tasks has it for requests.
        Variant::TaskMonitor => router.layer(middleware::from_fn(monitored)),
        _ => router,
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let port = listener.local_addr()?.port();
    say(&format!("{} {port}", std::process::id()))?;
    Ok(axum::serve(listener, router).await?)
}

async fn monitored(request: Request, next: Next) -> axum::response::Response {
    monitor().instrument(next.run(request)).await
}
