//! Every threshold that the rules use, with the source of its default.
//!
//! Plain data for `Engine::new`. Nothing here reads a file or an environment variable; whoever starts
//! the engine does that.

use crate::time::Nanos;
pub use crate::trend::TrendRule;

/// The thresholds of the rules.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// A busy period longer than this is a stall. 100 ms: the point at which a person no longer feels an
    /// answer as instant (Nielsen, "Response times", 1993), and what asyncio's own debug mode uses as
    /// `slow_callback_duration`.
    pub stall_threshold: Nanos,
    /// A stall longer than this is a blocked loop. 5 s: longer than any single callback should take,
    /// and the usual connect timeout of the clients in front of a service.
    pub blocked_threshold: Nanos,
    /// How long a closed incident still colours the status. 60 s: two looks of a monitor that asks
    /// every 30 s see it.
    pub recent_window: Nanos,
    /// A further occurrence within this time joins the incident. 5 min, the join window of the design.
    pub join_window: Nanos,
    /// `/livez` fails once a loop is blocked for longer than this. 30 s: three failed probes of a
    /// Kubernetes liveness check with its default period of 10 s.
    pub livez_limit: Nanos,
    /// A stall is put down to a starved processor when the thread waited in the run queue for this share
    /// of the time between the first and the last look, and would have stayed under the threshold without
    /// that. One quarter: less than that is what two busy threads on one processor take from each other.
    pub starved_share: f64,
    /// One callback is to blame when it was on for at least this share of the time looked at. One half:
    /// more than all others together.
    pub single_callback_share: f64,
    /// How many looks at one busy period are kept; neighbours are merged beyond it. 64 looks
    /// put an error of at most 6 points (one standard deviation) on a share.
    pub max_looks: usize,
    /// How many incidents are kept; the oldest closed ones go first and are counted. 1000 of them are a
    /// few megabytes.
    pub max_incidents: usize,
    /// How many processes are kept, ended ones included. 4096: eight times a large prefork service.
    pub max_processes: usize,
    /// How many loops are kept, ended ones included. 16384, four a process.
    pub max_loops: usize,
    /// How long an ended process or loop stays in the report. 60 s, as `recent_window`.
    pub ended_retention: Nanos,
    /// A failed task's exception that nobody has taken after this time counts as one that nobody takes. 5 s:
    /// whoever awaits a task at all mostly does so at once.
    pub task_failure_grace: Nanos,
    /// So many failed tasks on one loop within the join window degrade the service; fewer are shown.
    pub failed_tasks_degraded: u64,
    /// A task that has been alive for less is not stuck. 5 min: longer than any request.
    pub stuck_after: Nanos,
    /// An executor that has had more to do than threads for this long is saturated. 1 s: shorter ones are
    /// bursts, which a queue is for.
    pub saturation_after: Nanos,
    /// A pool that callers have been waiting for without a break for this long is exhausted. 1 s, as above.
    pub pool_wait_after: Nanos,
    /// A lock of a database that somebody has been waiting for for this long is worth a look. 1 s: PostgreSQL's own
    /// `deadlock_timeout`, after which it looks into such waits and `log_lock_waits` logs them.
    pub lock_wait_after: Nanos,
    /// A session that has been idle in a transaction for this long is worth a look. 60 s: longer than any request,
    /// and shorter than what people set `idle_in_transaction_session_timeout` to.
    pub idle_transaction_after: Nanos,
    /// The share of a database server's connections from which it is about to refuse more.
    pub server_connections_high_share: f64,
    /// So many failures of one tracked call within a minute, and half of its calls, degrade the service.
    pub failed_calls_degraded: u64,
    /// A call of a remote model, or of an agent that asks one, and an HTTP request are slow from here on, and not
    /// from what is slow for other calls: a healthy one may take many seconds. 30 s: whoever waits for it in front of the service
    /// gives up then (gunicorn's worker time-out and Heroku's router 30 s, Amazon's API Gateway 29 s).
    pub slow_model_call_threshold: Nanos,
    /// Such a call is slow only where it also took so many times as long as half of the same calls do. Three: an
    /// agent that works for a minute each time is as it is meant to be.
    pub slow_model_call_ratio: u64,
    /// So many calls must have ended before that half is believed.
    pub slow_model_call_history: u64,
    /// Resident memory of one process from here on is worth a look. 1 GiB.
    pub memory_high_bytes: u64,
    /// The share of what a process may have from which it is about to be killed.
    pub memory_critical_share: f64,
    /// The share of the descriptors that a process may have open from which it is worth a look.
    pub descriptors_high_share: f64,
    /// The same from which it is about to fail.
    pub descriptors_critical_share: f64,
    /// Growth of the tasks of one site within ten minutes. Three minutes of samples at least, and twenty
    /// tasks: what grows slower than that has hours until it hurts.
    pub task_leak: TrendRule,
    /// Growth of a process's memory within half an hour. Ten minutes of samples at least, since warming up
    /// takes minutes, and 64 MiB: caches that fill grow by less.
    pub memory_growth: TrendRule,
    /// Growth of the connections that a process has open outside of any pool, within ten minutes. A minute of
    /// samples at least, and ten connections: PostgreSQL allows a hundred of all its clients together, so what
    /// grows like that leaves minutes.
    pub connection_growth: TrendRule,
    /// Growth of a process's descriptors within half an hour.
    pub descriptor_growth: TrendRule,
    /// Growth is sampled so many times as often, and judged after as much less time; see [`Config::hastened`].
    pub trend_pace: u64,
}

impl Config {
    /// Judges growth `pace` times as fast: for drills, which grow something on purpose. What warms up or comes and goes
    /// within minutes is taken for growth then, so it is nothing for real services.
    #[must_use]
    pub fn hastened(mut self, pace: u64) -> Self {
        let pace = pace.max(1);
        self.trend_pace = pace;
        for rule in [
            &mut self.task_leak,
            &mut self.memory_growth,
            &mut self.connection_growth,
            &mut self.descriptor_growth,
        ] {
            rule.min_span = Nanos(rule.min_span.0 / pace);
        }
        self
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            stall_threshold: Nanos::from_millis(100),
            blocked_threshold: Nanos::from_millis(5_000),
            recent_window: Nanos::from_millis(60_000),
            join_window: Nanos::from_millis(300_000),
            livez_limit: Nanos::from_millis(30_000),
            starved_share: 0.25,
            single_callback_share: 0.5,
            max_looks: 64,
            max_incidents: 1_000,
            max_processes: 4_096,
            max_loops: 16_384,
            ended_retention: Nanos::from_millis(60_000),
            task_failure_grace: Nanos::from_millis(5_000),
            failed_tasks_degraded: 5,
            stuck_after: Nanos::from_millis(300_000),
            saturation_after: Nanos::from_millis(1_000),
            pool_wait_after: Nanos::from_millis(1_000),
            lock_wait_after: Nanos::from_millis(1_000),
            idle_transaction_after: Nanos::from_millis(60_000),
            server_connections_high_share: 0.9,
            failed_calls_degraded: 5,
            slow_model_call_threshold: Nanos::from_millis(30_000),
            slow_model_call_ratio: 3,
            slow_model_call_history: 10,
            memory_high_bytes: 1 << 30,
            memory_critical_share: 0.9,
            descriptors_high_share: 0.8,
            descriptors_critical_share: 0.95,
            task_leak: TrendRule {
                min_span: Nanos::from_millis(180_000),
                min_growth: 20.0,
                min_share: 0.5,
            },
            memory_growth: TrendRule {
                min_span: Nanos::from_millis(600_000),
                min_growth: 64.0 * 1_048_576.0,
                min_share: 0.1,
            },
            connection_growth: TrendRule {
                min_span: Nanos::from_millis(60_000),
                min_growth: 10.0,
                min_share: 0.5,
            },
            descriptor_growth: TrendRule {
                min_span: Nanos::from_millis(300_000),
                min_growth: 50.0,
                min_share: 0.2,
            },
            trend_pace: 1,
        }
    }
}
