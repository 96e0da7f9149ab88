//! The rows of the tables: tasks by site, calls, pools, executors. What is read of each becomes a fact.

use std::sync::Arc;

use loopscope_recorder::layout::{self, bucket_limit_nanos};
use loopscope_recorder::reader::{CallState, ExecutorState, PoolState, TaskSiteState};

use super::{Row, Seen, owner_of};
use crate::observation::{
    CallKind, CallName, CallReading, ExecutorReading, Fact, PoolName, PoolReading, ProcessKey,
    TaskSite, TaskSiteReading,
};
use crate::time::Nanos;

impl Row for TaskSiteState {
    type Name = TaskSite;

    fn slot(&self) -> u32 {
        self.slot
    }

    fn name(&self, seen: &Seen<'_>) -> TaskSite {
        let site = &self.site;
        TaskSite {
            owner: owner_of(site.owner, seen),
            file: site.file.clone(),
            line: site.line,
            function: site.function.clone(),
            coroutine: site.coroutine.clone(),
        }
    }

    fn reading(&self, process: ProcessKey, name: Arc<TaskSite>) -> Fact {
        let reading = TaskSiteReading {
            site: name,
            spawned: self.spawned,
            done: self.done,
            failed: self.failed,
            cancelled: self.cancelled,
            retrieved: self.retrieved,
            unretrieved: self.unretrieved,
            oldest_started: self.oldest_started_nanos.map(Nanos),
        };
        let slot = self.slot;
        Fact::TaskSiteReading {
            process,
            slot,
            reading,
        }
    }
}

impl Row for CallState {
    type Name = CallName;

    fn slot(&self) -> u32 {
        self.slot
    }

    fn name(&self, _seen: &Seen<'_>) -> CallName {
        let call = &self.call;
        CallName {
            kind: match call.kind {
                Some(layout::CallKind::Request) => CallKind::Request,
                Some(layout::CallKind::Query) => CallKind::Query,
                Some(layout::CallKind::Connect) => CallKind::Connect,
                Some(layout::CallKind::Acquire) => CallKind::Acquire,
                Some(layout::CallKind::Call) | None => CallKind::Call,
            },
            group: call.group.clone(),
            name: call.name.clone(),
        }
    }

    fn reading(&self, process: ProcessKey, name: Arc<CallName>) -> Fact {
        let reading = CallReading {
            call: name,
            started: self.started,
            finished: self.finished,
            failed: self.failed,
            cancelled: self.cancelled,
            on_loop: self.on_loop,
            blocking: self.blocking,
            slow: self.slow,
            total_nanos: self.total_nanos,
            longest_nanos: self.longest_nanos,
            p50_nanos: quantile(self, 0.5),
            p99_nanos: quantile(self, 0.99),
            last_error: self.last_error.clone(),
            errors: self
                .errors
                .iter()
                .map(|error| (error.error_type.clone(), error.failed))
                .collect(),
        };
        let slot = self.slot;
        Fact::CallReading {
            process,
            slot,
            reading,
        }
    }
}

impl Row for PoolState {
    type Name = PoolName;

    fn slot(&self) -> u32 {
        self.slot
    }

    fn name(&self, _seen: &Seen<'_>) -> PoolName {
        PoolName {
            name: self.pool.name.clone(),
            driver: self.pool.driver.clone(),
            server: self.pool.server.clone(),
        }
    }

    fn reading(&self, process: ProcessKey, name: Arc<PoolName>) -> Fact {
        let reading = PoolReading {
            pool: name,
            size: self.size,
            smallest: self.smallest,
            largest: self.largest,
            in_use: self.in_use,
            idle: self.idle,
            waiting: self.waiting,
            waiting_since: self.waiting_since_nanos.map(Nanos),
            acquires: self.acquires,
            acquire_nanos: self.acquire_nanos,
            longest_acquire_nanos: self.longest_acquire_nanos,
            timeouts: self.timeouts,
            opened: self.opened,
            open_failed: self.open_failed,
            closed: self.closed,
            leaked: self.leaked,
            lifetime_nanos: self.lifetime_nanos,
            releases: self.releases,
            use_nanos: self.use_nanos,
            longest_use_nanos: self.longest_use_nanos,
            last_error: self.last_error.clone(),
        };
        let slot = self.slot;
        Fact::PoolReading {
            process,
            slot,
            reading,
        }
    }
}

impl Row for ExecutorState {
    type Name = String;

    fn slot(&self) -> u32 {
        self.slot
    }

    fn name(&self, _seen: &Seen<'_>) -> String {
        self.name.to_string()
    }

    fn reading(&self, process: ProcessKey, name: Arc<String>) -> Fact {
        let reading = ExecutorReading {
            name,
            max_workers: self.max_workers,
            workers: self.workers,
            busy: self.busy,
            queued: self.queued,
            submitted: self.submitted,
            completed: self.completed,
            failed: self.failed,
            wait_nanos: self.wait_nanos,
            longest_wait_nanos: self.longest_wait_nanos,
            saturated_since: self.saturated_since_nanos.map(Nanos),
            ended: self.ended_nanos.is_some(),
        };
        let slot = self.slot;
        Fact::ExecutorReading {
            process,
            slot,
            reading,
        }
    }
}

/// The length that this share of the finished calls did not exceed: by the histogram, evenly within a
/// bucket, and no more than the longest call.
fn quantile(state: &CallState, share: f64) -> Option<u64> {
    if state.finished == 0 {
        return None;
    }
    let wanted = (state.finished as f64 * share).max(1.0);
    let mut passed = 0.0;
    for (bucket, count) in state.histogram.iter().enumerate() {
        let count = *count as f64;
        if passed + count < wanted {
            passed += count;
            continue;
        }
        let below = bucket.checked_sub(1).and_then(bucket_limit_nanos);
        let below = below.unwrap_or(0) as f64;
        let limit = bucket_limit_nanos(bucket).unwrap_or(state.longest_nanos) as f64;
        let within = (wanted - passed) / count.max(1.0);
        let length = below + (limit - below).max(0.0) * within;
        return Some((length as u64).min(state.longest_nanos));
    }
    Some(state.longest_nanos)
}
