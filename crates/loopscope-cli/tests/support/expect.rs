//! The model of what must be found: written beside a scenario, compared in `compare`.

use loopscope_engine::report::StallCause;

/// Whether a stall must have been seen while it lasted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum During {
    /// An answer received before its end must hold the open incident, with the line to blame.
    Seen,
    /// Too short for a polling client to be sure to meet it; the report at the end must hold it.
    Unchecked,
}

/// A stall that a fixture declares and that must be found, all of it right.
#[derive(Clone, Debug)]
pub(crate) struct Stall {
    /// Its name in the fixture. File, lines, process, thread and times come from the fixture itself.
    pub(crate) name: &'static str,
    /// How often the fixture declares it in one process; `None` where that is for the machine to say.
    pub(crate) occurrences: Option<usize>,
    /// The least length of each occurrence: a fixture that no longer stalls must not pass.
    pub(crate) at_least_seconds: f64,
    /// Whether it must have been seen while it lasted.
    pub(crate) during: During,
    /// Whether a line is to blame at all.
    pub(crate) has_culprit: bool,
    /// Which function.
    pub(crate) function: Option<&'static str>,
    /// Why it stalled.
    pub(crate) cause: Option<StallCause>,
    /// Whether the culprit held the interpreter's lock.
    pub(crate) gil_held: Option<bool>,
    /// The task's name.
    pub(crate) task: Option<String>,
    /// The functions from the task's first coroutine to the innermost one.
    pub(crate) await_chain: Option<&'static [&'static str]>,
    /// The tasks that wait for it, nearest first, each with the function whose line says `# AWAITS`.
    pub(crate) awaited_by: Vec<(String, &'static str)>,
    /// The loop's runtime in the report.
    pub(crate) runtime: Option<&'static str>,
    /// What the advised replacement mentions.
    pub(crate) replacement: Option<&'static str>,
    /// The lint rule that finds the call.
    pub(crate) rule: Option<&'static str>,
    /// Functions among the shares, the largest first.
    pub(crate) shares: &'static [&'static str],
}

impl Stall {
    /// A stall that blocks by one call, once, for 300 ms or more, and must be seen while it lasts.
    pub(crate) fn blocking(name: &'static str, function: &'static str) -> Self {
        Self {
            has_culprit: true,
            function: Some(function),
            cause: Some(StallCause::BlockingCall),
            ..Self::without_culprit(name)
        }
    }

    /// A stall that no line is to blame for.
    pub(crate) fn without_culprit(name: &'static str) -> Self {
        Self {
            name,
            occurrences: Some(1),
            at_least_seconds: 0.29,
            during: During::Seen,
            has_culprit: false,
            function: None,
            cause: None,
            gil_held: None,
            task: None,
            await_chain: None,
            awaited_by: Vec::new(),
            runtime: None,
            replacement: None,
            rule: None,
            shares: &[],
        }
    }

    /// Sets why it stalled.
    pub(crate) fn caused_by(mut self, cause: StallCause) -> Self {
        self.cause = Some(cause);
        self
    }

    /// Sets how often it occurs in each process.
    pub(crate) fn times(mut self, occurrences: impl Into<Option<usize>>) -> Self {
        self.occurrences = occurrences.into();
        self
    }

    /// Sets the least length, for stalls too short to be sure to be met while they last.
    pub(crate) fn brief(mut self, at_least_seconds: f64) -> Self {
        self.at_least_seconds = at_least_seconds;
        self.during = During::Unchecked;
        self
    }

    /// Sets whether the culprit held the interpreter's lock.
    pub(crate) fn holding_the_gil(mut self, held: bool) -> Self {
        self.gil_held = Some(held);
        self
    }

    /// Sets the task and its await chain.
    pub(crate) fn in_task(
        mut self,
        name: impl Into<String>,
        chain: &'static [&'static str],
    ) -> Self {
        self.task = Some(name.into());
        self.await_chain = Some(chain);
        self
    }

    /// Sets the tasks that wait for it and the functions in which they do, nearest first.
    pub(crate) fn awaited_by(
        mut self,
        tasks: impl IntoIterator<Item = (String, &'static str)>,
    ) -> Self {
        self.awaited_by.extend(tasks);
        self
    }

    /// Sets the loop's runtime.
    pub(crate) fn on(mut self, runtime: &'static str) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// Sets the advice.
    pub(crate) fn advised(mut self, replacement: &'static str, rule: Option<&'static str>) -> Self {
        self.replacement = Some(replacement);
        self.rule = rule;
        self
    }

    /// Sets who shares the time.
    pub(crate) fn shared_by(mut self, functions: &'static [&'static str]) -> Self {
        self.shares = functions;
        self
    }
}
