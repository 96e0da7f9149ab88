//! The health endpoint on routes of the service's own.

use std::time::Duration;

use axum::Router;
use axum::http::header::{ACCEPT, CACHE_CONTROL, VARY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use loopscope_server::{Answer, Question};

use crate::scope::Scope;

impl Scope {
    /// `/health`, `/livez` and `/readyz` as routes, to be merged into a service's router, or nested below a path: the
    /// answers that [`Config::listen`](crate::Config::listen) gives, with the same codes.
    ///
    /// ```no_run
    /// # fn main() -> Result<(), loopscope::InstallError> {
    /// let scope = loopscope::install(loopscope::Config::from_env())?;
    /// let app: axum::Router = axum::Router::new().nest("/internal", scope.health_routes());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// They are answered by a worker of the service's runtime, so not while all of these are blocked: for that there
    /// is [`Config::listen`](crate::Config::listen). Under `loopscope run` the supervisor is asked, on a thread for
    /// blocking work, for at most 2 s. Where nobody judges, `/health` is degraded and says so, and the probes pass: a
    /// probe fails for what was found, and nothing was.
    ///
    /// Access is as the service's other routes have it. The report names files and functions of the service.
    pub fn health_routes<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        let mut routes = Router::new();
        for (path, question) in [
            ("/health", Question::Health),
            ("/livez", Question::Live),
            ("/readyz", Question::Ready),
        ] {
            let scope = self.clone();
            routes = routes.route(path, get(move |headers| answer(scope, question, headers)));
        }
        routes
    }
}

async fn answer(scope: Scope, question: Question, headers: HeaderMap) -> Response {
    let lines = headers.get_all(ACCEPT).iter();
    let lines: Vec<&str> = lines.filter_map(|line| line.to_str().ok()).collect();
    let accept = lines.join(",");
    let answer = match scope.answer(question, &accept) {
        Some(answer) => answer,
        None => asked_elsewhere(scope, question, accept).await,
    };
    let uncached = [
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (VARY, HeaderValue::from_static("accept")),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (uncached, answer).into_response()
}

/// Another process judges, or none.
async fn asked_elsewhere(scope: Scope, question: Question, accept: String) -> Answer {
    let asking = tokio::task::spawn_blocking(move || scope.ask_elsewhere(question, &accept));
    let failed = |_| Answer {
        code: 500,
        content_type: "text/plain; charset=utf-8",
        age: Duration::ZERO,
        body: "the service is ending\n".into(),
    };
    asking.await.unwrap_or_else(failed)
}
