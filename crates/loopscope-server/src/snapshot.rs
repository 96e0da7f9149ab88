//! What is served: the engine's latest report, swapped in whole.
//!
//! A snapshot is serialised at most once in each form, however many clients read it. It is never
//! changed: when the observer stands still, what is served is a copy that says so.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use axum::body::Bytes;
use loopscope_engine::report::{Report, Status};

use crate::draft;

/// A snapshot older than this is served as stale. The engine publishes many times a second, also when
/// nothing happens.
pub const STALE_AFTER: Duration = Duration::from_secs(2);

/// The answer of one probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeState {
    /// Whether the probe passes.
    pub ok: bool,
    /// Why, in one sentence; served as the body.
    pub reason: Option<String>,
}

/// What `/livez` and `/readyz` answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probes {
    /// Whether the service should be left running.
    pub live: ProbeState,
    /// Whether it should be sent requests.
    pub ready: ProbeState,
}

/// Where the engine puts its latest report and the server finds it. Neither waits for the other.
#[derive(Debug)]
pub struct SnapshotCell(ArcSwap<PublishedReport>);

impl SnapshotCell {
    /// A cell that holds `first`.
    pub fn new(first: PublishedReport) -> Self {
        Self(ArcSwap::from_pointee(first))
    }

    /// Replaces what is served.
    pub fn publish(&self, next: PublishedReport) {
        self.0.store(Arc::new(next));
    }

    /// What is served now.
    pub fn latest(&self) -> Arc<PublishedReport> {
        self.0.load_full()
    }
}

/// A report, its probes and the instant at which they were true.
#[derive(Debug)]
pub struct PublishedReport {
    report: Arc<Report>,
    probes: Probes,
    published: Instant,
    report_body: OnceLock<Bytes>,
    draft_body: OnceLock<Bytes>,
    stale: Mutex<Option<StaleBody>>,
}

#[derive(Debug)]
struct StaleBody {
    age_seconds: u64,
    form: Form,
    rendered: Rendered,
}

/// The two forms of `/health`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Loopscope's own report, `application/json`.
    Report,
    /// The pass/warn/fail form, `application/health+json`.
    Draft,
}

/// A serialised report with the status that it tells.
#[derive(Clone, Debug)]
pub(crate) struct Rendered {
    pub(crate) status: Status,
    pub(crate) body: Bytes,
}

impl PublishedReport {
    /// A report that is true now.
    pub fn new(report: impl Into<Arc<Report>>, probes: Probes) -> Self {
        Self::published_at(report, probes, Instant::now())
    }

    /// A report that was true at `published`.
    pub fn published_at(
        report: impl Into<Arc<Report>>,
        probes: Probes,
        published: Instant,
    ) -> Self {
        Self {
            report: report.into(),
            probes,
            published,
            report_body: OnceLock::new(),
            draft_body: OnceLock::new(),
            stale: Mutex::new(None),
        }
    }

    /// The report.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// What the probes answer.
    pub fn probes(&self) -> &Probes {
        &self.probes
    }

    /// How long ago it was true.
    pub fn age(&self) -> Duration {
        self.published.elapsed()
    }

    /// The report in `form`, as it has to be served at `age`.
    pub(crate) fn rendered(&self, form: Form, age: Duration) -> serde_json::Result<Rendered> {
        if age > STALE_AFTER {
            self.stale_rendered(form, age.as_secs())
        } else {
            self.fresh_rendered(form)
        }
    }

    fn fresh_rendered(&self, form: Form) -> serde_json::Result<Rendered> {
        let cache = match form {
            Form::Report => &self.report_body,
            Form::Draft => &self.draft_body,
        };
        let body = match cache.get() {
            Some(body) => body.clone(),
            None => {
                let body = serialise(&self.report, form)?;
                cache.get_or_init(|| body).clone()
            }
        };
        Ok(Rendered {
            status: self.report.status,
            body,
        })
    }

    /// Keeps the last one: its text changes once a second, and the clients may be many just when the
    /// observer is in trouble.
    fn stale_rendered(&self, form: Form, age_seconds: u64) -> serde_json::Result<Rendered> {
        let mut cached = self.stale.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stale) = cached.as_ref()
            && stale.age_seconds == age_seconds
            && stale.form == form
        {
            return Ok(stale.rendered.clone());
        }
        let report = stale_copy(&self.report, age_seconds);
        let rendered = Rendered {
            status: report.status,
            body: serialise(&report, form)?,
        };
        *cached = Some(StaleBody {
            age_seconds,
            form,
            rendered: rendered.clone(),
        });
        Ok(rendered)
    }
}

fn serialise(report: &Report, form: Form) -> serde_json::Result<Bytes> {
    let body = match form {
        Form::Report => serde_json::to_vec(report)?,
        Form::Draft => serde_json::to_vec(&draft::health(report))?,
    };
    Ok(body.into())
}

/// The sentence that stale answers carry.
pub(crate) fn stale_sentence(age_seconds: u64) -> String {
    format!("Loopscope's observer stands still: this report is {age_seconds} s old")
}

/// The report as it must be read when nobody has looked for a while: at best degraded. Findings stay,
/// since they were true when they were last seen.
fn stale_copy(report: &Report, age_seconds: u64) -> Report {
    let mut stale = report.clone();
    stale.status = stale.status.max(Status::Degraded);
    let agent = stale
        .components
        .entry("agent".to_owned())
        .or_insert(Status::Degraded);
    *agent = (*agent).max(Status::Degraded);
    let sentence = stale_sentence(age_seconds);
    stale.issues.push(sentence.clone());
    stale.detailed_health.agent.notes.push(format!(
        "{sentence}; see whether the process that serves it is stopped or starved with `top -H`"
    ));
    stale
}
