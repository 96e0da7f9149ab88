//! One look at a health endpoint: the request, its limits, and what counts as an answer.
//!
//! Believes nothing that it reads: the body is bounded, parsed without recursion past a limit, and its
//! strings are neutralised on the way in.

use std::time::{Duration, Instant};

use loopscope_engine::report::Status;
use ureq::Agent;
use ureq::http::{HeaderMap, StatusCode, header};
use ureq::tls::{RootCerts, TlsConfig};

use super::look_error::{LookError, Problem};
use super::target::Target;
use super::view::View;
use crate::screen::Text;
use crate::screen::format;

/// The largest answer that is read. A report of 200 loops has well under one MiB.
pub(crate) const MAX_BODY_BYTES: u64 = 16 * 1024 * 1024;

/// An endpoint that takes longer is itself degraded.
const SLOW_AFTER: Duration = Duration::from_secs(2);

/// How much of an answer that is no report is shown.
const EXCERPT_CHARS: usize = 60;

/// Looks at one endpoint, again and again if wanted.
pub(crate) struct Looker {
    agent: Agent,
    target: Target,
    token: Option<String>,
    timeout: Duration,
}

/// An answer, whatever it says.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    /// From the first byte sent to the last received.
    pub(crate) took: Duration,
}

/// What a look brought.
#[derive(Debug)]
pub(crate) struct Seen {
    /// The report.
    pub(crate) view: View,
    /// The answer as it came.
    pub(crate) body: Vec<u8>,
    /// From the first byte sent to the last received.
    pub(crate) took: Duration,
    /// How old the report was when it was sent, where the server says so.
    pub(crate) age_seconds: Option<f64>,
}

impl Seen {
    /// The report's status, at best degraded where the answer was slow.
    pub(crate) fn status(&self) -> Status {
        let slow = if self.is_slow() {
            Status::Degraded
        } else {
            Status::Healthy
        };
        self.view.status.max(slow)
    }

    fn is_slow(&self) -> bool {
        self.took > SLOW_AFTER
    }

    /// The sentence about a slow answer.
    pub(crate) fn slowness(&self) -> Option<String> {
        self.is_slow().then(|| {
            let took = format::seconds(self.took.as_secs_f64());
            format!("slow answer: the health endpoint took {took}, more than 2 s is degraded")
        })
    }
}

impl Looker {
    /// Prepares to look at `target`. Tokens come from files and secrets that often end in a line break;
    /// an empty one is none.
    pub(crate) fn new(target: Target, token: Option<String>, timeout: Duration) -> Self {
        let token = token
            .map(|token| token.trim().to_owned())
            .filter(|token| !token.is_empty());
        // Refused only where a provider is installed already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::PlatformVerifier)
            .build();
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(timeout))
            .user_agent(concat!("loopscope/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls)
            // The server closes idle connections sooner than the next look comes.
            .max_idle_connections(0);
        let config = if target.is_loopback() {
            config.proxy(None)
        } else {
            config
        };
        Self {
            agent: Agent::new_with_config(config.build()),
            target,
            token,
            timeout,
        }
    }

    /// Asks once.
    pub(crate) fn look(&self) -> Result<Seen, LookError> {
        self.ask().map_err(|problem| LookError {
            problem,
            target: self.target.clone(),
        })
    }

    /// Asks for something beside the report, and takes the answer as it comes.
    pub(crate) fn fetch(&self, target: &Target) -> Result<Fetched, LookError> {
        self.get(target).map_err(|problem| LookError {
            problem,
            target: target.clone(),
        })
    }

    fn get(&self, target: &Target) -> Result<Fetched, Problem> {
        let started = Instant::now();
        let failed = |error| Problem::of(error, self.timeout);
        let mut request = self
            .agent
            .get(target.uri())
            .header(header::ACCEPT, "application/json");
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let mut response = request.call().map_err(failed)?;
        let body = response.body_mut().with_config().limit(MAX_BODY_BYTES);
        let body = body.read_to_vec().map_err(failed)?;
        let took = started.elapsed();
        Ok(Fetched {
            status: response.status(),
            headers: std::mem::take(response.headers_mut()),
            body,
            took,
        })
    }

    fn ask(&self) -> Result<Seen, Problem> {
        let Fetched {
            status,
            headers,
            body,
            took,
        } = self.get(&self.target)?;
        if status == StatusCode::UNAUTHORIZED {
            let had_token = self.token.is_some();
            return Err(if had_token {
                Problem::TokenRefused
            } else {
                Problem::TokenWanted
            });
        }
        let view = read(status, &body)?;
        Ok(Seen {
            view,
            body,
            took,
            age_seconds: age(&headers),
        })
    }
}

/// A report is a report under any status: 503 is how a critical one comes.
fn read(status: StatusCode, body: &[u8]) -> Result<View, Problem> {
    let error = match serde_json::from_slice(body) {
        Ok(view) => return Ok(view),
        Err(error) => error,
    };
    if !matches!(status, StatusCode::OK | StatusCode::SERVICE_UNAVAILABLE) {
        return Err(Problem::Status {
            status,
            says: excerpt(body),
        });
    }
    if error.is_data() {
        return Err(Problem::NotLoopscope(Text::new(&error.to_string())));
    }
    Err(Problem::NotJson(excerpt(body)))
}

fn excerpt(body: &[u8]) -> Text {
    let text = String::from_utf8_lossy(&body[..body.len().min(4 * EXCERPT_CHARS)]);
    let line = text.trim_start().lines().next().unwrap_or_default();
    match line.chars().take(EXCERPT_CHARS).collect::<String>() {
        empty if empty.is_empty() => Text::new("nothing"),
        line => Text::new(&format!("\"{line}\"")),
    }
}

fn age(headers: &HeaderMap) -> Option<f64> {
    let age: f64 = headers
        .get("loopscope-age-seconds")?
        .to_str()
        .ok()?
        .parse()
        .ok()?;
    age.is_finite().then_some(age)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str = r#"{"schema_version": 1, "status": "healthy", "service": "shop"}"#;

    fn problem(status: u16, body: &str) -> String {
        read(StatusCode::from_u16(status).unwrap(), body.as_bytes())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_report_is_read_under_any_status() {
        for status in [200, 503, 500] {
            let view = read(StatusCode::from_u16(status).unwrap(), MINIMAL.as_bytes()).unwrap();
            assert_eq!(view.status, Status::Healthy);
        }
    }

    #[test]
    fn what_is_no_report_is_told_apart() {
        insta::assert_snapshot!(problem(200, "<html>\n<body>"), @r#"the answer is not JSON (it begins with "<html>")"#);
        insta::assert_snapshot!(problem(503, ""), @"the answer is not JSON (it begins with nothing)");
        insta::assert_snapshot!(problem(404, "no such route"), @r#"the server answered 404 Not Found instead of a report ("no such route")"#);
        insta::assert_snapshot!(problem(200, r#"{"status": "UP"}"#), @"the answer is JSON, but not a Loopscope report (unknown variant `UP`, expected one of `healthy`, `degraded`, `critical` at line 1 column 15)");
        insta::assert_snapshot!(problem(200, "[]"), @"the answer is JSON, but not a Loopscope report (invalid length 0, expected a report at line 1 column 2)");
    }

    #[test]
    fn an_excerpt_cannot_act_on_the_terminal() {
        assert_eq!(excerpt(b"\x1b[2Jhello\n").as_str(), "\"\\u{1b}[2Jhello\"");
        assert_eq!(excerpt(b"\xff\xfe").as_str(), "\"\u{fffd}\u{fffd}\"");
    }

    #[test]
    fn deep_nesting_is_refused_and_not_followed() {
        let deep = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        assert!(read(StatusCode::OK, deep.as_bytes()).is_err());
        let hidden = MINIMAL.replace('}', &format!(", \"new\": {deep}}}"));
        // A field that is not known may hold anything; it is passed over without recursion.
        let _ = read(StatusCode::OK, hidden.as_bytes());
    }

    #[test]
    fn an_age_that_is_no_number_is_not_shown() {
        let mut headers = HeaderMap::new();
        assert_eq!(age(&headers), None);
        for (value, expected) in [("0.25", Some(0.25)), ("inf", None), ("soon", None)] {
            headers.insert("loopscope-age-seconds", value.parse().unwrap());
            assert_eq!(age(&headers), expected);
        }
    }
}
