//! One look at all that a supervisor answers: `/health`, `/readyz` and `/livez`.

use loopscope_drill::report::Report;
use loopscope_drill::{Answer, Look};
use loopscope_recorder::clock::monotonic_nanos;

use crate::health::look::Looker;
use crate::health::target::Target;

/// Where to look.
pub(super) struct Surfaces {
    looker: Looker,
    health: Target,
    ready: Target,
    live: Target,
}

impl Surfaces {
    pub(super) fn new(looker: Looker, health: &Target) -> Self {
        Self {
            looker,
            health: health.clone(),
            ready: health.with_path("/readyz"),
            live: health.with_path("/livez"),
        }
    }

    /// Looks now.
    pub(super) fn look(&self) -> Look {
        let health = self.looker.fetch(&self.health).ok();
        let at_nanos = monotonic_nanos();
        let health = health.and_then(|answer| {
            let report: Report = serde_json::from_slice(&answer.body).ok()?;
            Some(Answer {
                code: answer.status.as_u16(),
                took_ms: answer.took.as_secs_f64() * 1e3,
                report,
            })
        });
        let code = |target| {
            self.looker
                .fetch(target)
                .ok()
                .map(|answer| answer.status.as_u16())
        };
        Look {
            at_nanos,
            health,
            ready: code(&self.ready),
            live: code(&self.live),
        }
    }
}
