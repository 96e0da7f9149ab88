//! What is answered, apart from all that is HTTP's own: also for programs that serve it on a route of theirs.

use std::time::Duration;

use axum::body::Bytes;
use loopscope_engine::report::Status;

use crate::negotiate;
use crate::snapshot::{
    Form, ProbeState, PublishedReport, STALE_AFTER, SnapshotCell, stale_sentence,
};

/// Something that can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// The report: `/health`.
    Health,
    /// Whether the service should be left running: `/livez`.
    Live,
    /// Whether it can take requests: `/readyz`.
    Ready,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// 200, 503, or 500 where a report could not be serialised.
    pub code: u16,
    /// The media type of the body.
    pub content_type: &'static str,
    /// How long ago what it says was true.
    pub age: Duration,
    /// The body.
    pub body: Bytes,
}

impl SnapshotCell {
    /// Answers from the snapshot that lies here now. `accept` is the header's value, all of its lines joined
    /// by commas; the probes take no notice of it.
    pub fn answer(&self, question: Question, accept: &str) -> Answer {
        let published = self.latest();
        match question {
            Question::Health => health(&published, accept),
            Question::Live => probe(&published, &published.probes().live),
            Question::Ready => probe(&published, &published.probes().ready),
        }
    }
}

fn health(published: &PublishedReport, accept: &str) -> Answer {
    let age = published.age();
    let form = negotiate::preferred(accept);
    match published.rendered(form, age) {
        Ok(rendered) => Answer {
            code: code(rendered.status != Status::Critical),
            content_type: match form {
                Form::Report => "application/json",
                Form::Draft => "application/health+json",
            },
            age,
            body: rendered.body,
        },
        Err(error) => Answer {
            code: 500,
            content_type: PLAIN,
            age,
            body: format!("cannot serialise the report: {error}\n").into(),
        },
    }
}

const PLAIN: &str = "text/plain; charset=utf-8";

/// A probe keeps its last answer when the observer stands still: the watching must never be what gets a
/// service restarted. The body says so.
fn probe(published: &PublishedReport, probe: &ProbeState) -> Answer {
    let default = if probe.ok { "ok" } else { "not ok" };
    let mut body = probe.reason.as_deref().unwrap_or(default).to_owned();
    let age = published.age();
    if age > STALE_AFTER {
        body = format!("{body} ({})", stale_sentence(age.as_secs()));
    }
    body.push('\n');
    Answer {
        code: code(probe.ok),
        content_type: PLAIN,
        age,
        body: body.into(),
    }
}

fn code(is_ok: bool) -> u16 {
    if is_ok { 200 } else { 503 }
}
