//! The routes: `/`, `/health`, `/livez`, `/readyz`, and the answers to everything else.
//!
//! Every answer comes from the snapshot that lies ready at that moment. Nothing here waits, and nothing
//! here decides: the status and the probes were decided by the engine.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use loopscope_engine::report::Status;

use crate::guard::{self, Guard};
use crate::negotiate;
use crate::snapshot::{
    Form, ProbeState, PublishedReport, STALE_AFTER, SnapshotCell, stale_sentence,
};

/// How long ago the report was true, in seconds.
const AGE_HEADER: HeaderName = HeaderName::from_static("loopscope-age-seconds");

const ROUTES: &str = "\
GET /health  the report as JSON: 200 healthy or degraded, 503 critical
GET /livez   200 while the service should be left running, else 503
GET /readyz  200 while the service can take requests, else 503
GET /        this list
";

/// All routes behind their guard.
pub(crate) fn router(cell: Arc<SnapshotCell>, guard: Guard) -> Router {
    Router::new()
        .route("/", get(|| async { ROUTES }))
        .route("/health", get(health))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .fallback(|| async {
            (
                StatusCode::NOT_FOUND,
                format!("no such route; there are\n{ROUTES}"),
            )
        })
        .method_not_allowed_fallback(|| async {
            let body = format!("only GET and HEAD are answered; there are\n{ROUTES}");
            (StatusCode::METHOD_NOT_ALLOWED, body)
        })
        .layer(from_fn_with_state(Arc::new(guard), guard::check))
        .layer(map_response(uncached))
        .with_state(cell)
}

/// A health answer that a proxy kept would be worse than none.
async fn uncached(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

async fn health(State(cell): State<Arc<SnapshotCell>>, headers: HeaderMap) -> Response {
    let published = cell.latest();
    let age = published.age();
    let form = negotiate::preferred(&accept(&headers));
    match published.answer(form, age) {
        Ok(answer) => report_response(form, answer.status, answer.body, age),
        Err(error) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("cannot serialise the report: {error}\n"),
        )
            .into_response(),
    }
}

/// All `Accept` lines as one list; lines that are not text are passed over.
fn accept(headers: &HeaderMap) -> String {
    let lines: Vec<&str> = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .collect();
    lines.join(",")
}

fn report_response(form: Form, status: Status, body: Bytes, age: Duration) -> Response {
    let content_type = match form {
        Form::Report => "application/json",
        Form::Draft => "application/health+json",
    };
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (VARY, HeaderValue::from_static("accept")),
        (AGE_HEADER, age_value(age)),
    ];
    (http_status(status != Status::Critical), headers, body).into_response()
}

async fn livez(State(cell): State<Arc<SnapshotCell>>) -> Response {
    let published = cell.latest();
    probe_response(&published, &published.probes().live)
}

async fn readyz(State(cell): State<Arc<SnapshotCell>>) -> Response {
    let published = cell.latest();
    probe_response(&published, &published.probes().ready)
}

/// A probe keeps its last answer when the observer stands still: the watching must never be what gets a
/// service restarted. The body says so.
fn probe_response(published: &PublishedReport, probe: &ProbeState) -> Response {
    let default = if probe.ok { "ok" } else { "not ok" };
    let mut body = probe.reason.as_deref().unwrap_or(default).to_owned();
    let age = published.age();
    if age > STALE_AFTER {
        body = format!("{body} ({})", stale_sentence(age.as_secs()));
    }
    body.push('\n');
    (http_status(probe.ok), [(AGE_HEADER, age_value(age))], body).into_response()
}

fn http_status(ok: bool) -> StatusCode {
    if ok {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    }
}

fn age_value(age: Duration) -> HeaderValue {
    let seconds = format!("{:.3}", age.as_secs_f64());
    HeaderValue::from_str(&seconds).unwrap_or_else(|_| HeaderValue::from_static("0"))
}
