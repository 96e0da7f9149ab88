//! What groups repeated occurrences of one fault: over runs, hosts and deploys.
//!
//! Kind, cause, the blocking call where it is known, and the chain of the application's functions, never
//! line numbers: those move with each deploy. The prefix is the version of this recipe; a changed recipe gets a new one.

use xxhash_rust::xxh3::xxh3_64;

use crate::report::{IncidentKind, StallCause};

/// The fingerprint of an occurrence.
pub(crate) fn fingerprint(
    kind: IncidentKind,
    cause: Option<StallCause>,
    chain: &[String],
) -> String {
    // A unit separator cannot occur in a function's name, so no two chains read the same.
    let text = [kind.as_str(), cause.map_or("", StallCause::as_str)]
        .into_iter()
        .chain(chain.iter().map(String::as_str))
        .collect::<Vec<_>>()
        .join("\u{1f}");
    format!("ls1:{:016x}", xxh3_64(text.as_bytes()))
}

/// `app.handler` for `/srv/app.py` and `handler`.
pub(crate) fn qualified(file: &str, function: &str) -> String {
    let name = file.rsplit(['/', '\\']).next().unwrap_or(file);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    format!("{stem}.{function}")
}

impl IncidentKind {
    /// As reports have it: `loop_stall`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LoopStall => "loop_stall",
            Self::TaskFailure => "task_failure",
            Self::TaskLeak => "task_leak",
            Self::TaskStuck => "task_stuck",
            Self::CallbackFailure => "callback_failure",
            Self::BlockingCall => "blocking_call",
            Self::SlowCall => "slow_call",
            Self::CallFailure => "call_failure",
            Self::SlowQuery => "slow_query",
            Self::ConnectionFailure => "connection_failure",
            Self::ConnectionLeak => "connection_leak",
            Self::ConnectionShared => "connection_shared",
            Self::ConnectionGrowth => "connection_growth",
            Self::ProcessRestarted => "process_restarted",
            Self::DatabaseLock => "database_lock",
            Self::IdleTransaction => "idle_transaction",
            Self::ServerConnections => "server_connections",
            Self::DatabaseDeadlock => "database_deadlock",
            Self::ServerUnreachable => "server_unreachable",
            Self::PoolExhaustion => "pool_exhaustion",
            Self::ExecutorSaturation => "executor_saturation",
            Self::MemoryHigh => "memory_high",
            Self::MemoryGrowth => "memory_growth",
            Self::DescriptorHigh => "descriptor_high",
            Self::DescriptorGrowth => "descriptor_growth",
            Self::ProcessDied => "process_died",
            Self::ObserverDegraded => "observer_degraded",
        }
    }
}

impl StallCause {
    /// As reports have it: `blocking_call`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BlockingCall => "blocking_call",
            Self::Overload => "overload",
            Self::GcPause => "gc_pause",
            Self::CpuStarved => "cpu_starved",
            Self::Suspended => "suspended",
            Self::Unknown => "unknown",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_recipe_is_pinned_because_people_store_fingerprints() {
        let cause = Some(StallCause::BlockingCall);
        let print = fingerprint(IncidentKind::LoopStall, cause, &chain(&["app.handler"]));
        insta::assert_snapshot!(print, @"ls1:67395853b6df9b0e");
    }

    #[test]
    fn where_one_function_ends_and_the_next_begins_matters() {
        let of = |names| fingerprint(IncidentKind::LoopStall, None, &chain(names));
        assert_ne!(of(&["a.bc", "d"]), of(&["a.b", "cd"]));
        assert_ne!(of(&["a.b"]), of(&["a.b", ""]));
    }

    #[test]
    fn a_module_is_named_by_its_file_without_folder_and_ending() {
        assert_eq!(qualified("/srv/shop/app.py", "Api.get"), "app.Api.get");
        assert_eq!(qualified("server", "<module>"), "server.<module>");
        assert_eq!(qualified("", "f"), ".f");
    }
}
