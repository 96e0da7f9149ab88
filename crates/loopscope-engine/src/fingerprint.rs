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
    let text = [kind_word(kind), cause_word(cause)]
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

fn kind_word(kind: IncidentKind) -> &'static str {
    match kind {
        IncidentKind::LoopStall => "loop_stall",
        IncidentKind::TaskFailure => "task_failure",
        IncidentKind::TaskLeak => "task_leak",
        IncidentKind::TaskStuck => "task_stuck",
        IncidentKind::CallbackFailure => "callback_failure",
        IncidentKind::BlockingCall => "blocking_call",
        IncidentKind::SlowCall => "slow_call",
        IncidentKind::CallFailure => "call_failure",
        IncidentKind::SlowQuery => "slow_query",
        IncidentKind::ConnectionFailure => "connection_failure",
        IncidentKind::ConnectionLeak => "connection_leak",
        IncidentKind::ConnectionShared => "connection_shared",
        IncidentKind::ConnectionGrowth => "connection_growth",
        IncidentKind::ProcessRestarted => "process_restarted",
        IncidentKind::DatabaseLock => "database_lock",
        IncidentKind::IdleTransaction => "idle_transaction",
        IncidentKind::ServerConnections => "server_connections",
        IncidentKind::DatabaseDeadlock => "database_deadlock",
        IncidentKind::ServerUnreachable => "server_unreachable",
        IncidentKind::PoolExhaustion => "pool_exhaustion",
        IncidentKind::ExecutorSaturation => "executor_saturation",
        IncidentKind::MemoryHigh => "memory_high",
        IncidentKind::MemoryGrowth => "memory_growth",
        IncidentKind::DescriptorHigh => "descriptor_high",
        IncidentKind::DescriptorGrowth => "descriptor_growth",
        IncidentKind::ProcessDied => "process_died",
        IncidentKind::ObserverDegraded => "observer_degraded",
    }
}

fn cause_word(cause: Option<StallCause>) -> &'static str {
    match cause {
        None => "",
        Some(StallCause::BlockingCall) => "blocking_call",
        Some(StallCause::Overload) => "overload",
        Some(StallCause::GcPause) => "gc_pause",
        Some(StallCause::CpuStarved) => "cpu_starved",
        Some(StallCause::Suspended) => "suspended",
        Some(StallCause::Unknown) => "unknown",
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
