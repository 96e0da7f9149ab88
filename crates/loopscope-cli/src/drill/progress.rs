//! What is said while a drill lasts, a line each; to stderr, since the summary alone goes to stdout.

use loopscope_drill::results::{FaultResult, Verdict};
use loopscope_drill::{Fault, Plan};

use crate::messages::say;
use crate::screen::{Text, format};

/// Where progress goes.
pub(super) struct Progress;

impl Progress {
    /// A fault is about to be brought in.
    pub(super) fn begin(&self, fault: Fault, plan: &Plan) {
        let lasts = format::seconds(plan.lasts.as_secs_f64());
        let most = if plan.ends_when_found { "at most " } else { "" };
        say(&format!(
            "{}: {}, for {most}{lasts}",
            fault.name(),
            fault.what()
        ));
    }

    /// A fault is over, or was not brought in.
    pub(super) fn over(&self, result: &FaultResult) {
        let word = match result.verdict {
            Verdict::Passed if result.fault == Fault::Healthy => "quiet",
            Verdict::Passed => "seen",
            Verdict::Failed => "FAILED",
            Verdict::Skipped => "skipped",
        };
        let reason = result.reasons.first().map_or("", String::as_str);
        say(&format!(
            "{}: {word}: {}",
            result.fault.name(),
            Text::new(reason)
        ));
    }
}
