//! The routes: `/`, `/health`, `/livez`, `/readyz`, and the answers to everything else.
//!
//! Every answer comes from the snapshot that lies ready at that moment. Nothing here waits, and nothing
//! here decides: the status and the probes were decided by the engine.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::answer::{Answer, Question};
use crate::guard::{self, Guard};
use crate::snapshot::SnapshotCell;

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
    let answer = cell.answer(Question::Health, &accept(&headers));
    let vary = [(VARY, HeaderValue::from_static("accept"))];
    (vary, answer).into_response()
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

async fn livez(State(cell): State<Arc<SnapshotCell>>) -> Response {
    cell.answer(Question::Live, "").into_response()
}

async fn readyz(State(cell): State<Arc<SnapshotCell>>) -> Response {
    cell.answer(Question::Ready, "").into_response()
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let code = StatusCode::from_u16(self.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = [
            (CONTENT_TYPE, HeaderValue::from_static(self.content_type)),
            (AGE_HEADER, age_value(self.age)),
        ];
        (code, headers, self.body).into_response()
    }
}

fn age_value(age: Duration) -> HeaderValue {
    let seconds = format!("{:.3}", age.as_secs_f64());
    HeaderValue::from_str(&seconds).unwrap_or_else(|_| HeaderValue::from_static("0"))
}
