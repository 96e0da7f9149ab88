//! A report to serve, and servers that serve it.

use std::sync::Arc;

use loopscope_engine::report::{Report, Status};
use loopscope_server::{
    Limits, ProbeState, Probes, PublishedReport, Server, ServerConfig, SnapshotCell, start,
};
use serde_json::json;

pub(crate) fn report(status: Status) -> Report {
    serde_json::from_value(json!({
        "schema_version": 1,
        "status": status,
        "service": "shop",
        "version": "0.1.0",
        "timestamp": "2025-06-01T12:00:00Z",
        "uptime_seconds": 60.0,
        "components": {"event_loops": status, "agent": "healthy"},
        "monitoring": {
            "processes_count": 1, "event_loops_count": 1, "blocked_loops": 0, "total_stalls": 3,
        },
        "issues": ["main is slow"],
        "incidents": [],
        "detailed_health": {
            "event_loops": [{
                "id": "loop-1", "name": "main", "runtime": "asyncio", "pid": 42, "thread_id": 43,
                "state": "stalled", "busy_seconds": 0.25, "heartbeat_age_seconds": 0.25,
                "iterations": 1000, "busy_total_seconds": 1.0, "idle_total_seconds": 3.0,
                "utilization": 0.25, "stalls": 3, "longest_busy_seconds": 0.5,
            }],
            "processes": [{
                "pid": 42, "name": "python3", "runtime": "python", "state": "running",
                "memory_mb": 64.0,
            }],
            "agent": {
                "samples": 9, "failed_samples": 0, "dropped": {}, "worst_lateness_seconds": 0.0,
                "notes": [],
            },
        },
    }))
    .unwrap()
}

pub(crate) fn passing() -> Probes {
    let pass = ProbeState {
        ok: true,
        reason: None,
    };
    Probes {
        live: pass.clone(),
        ready: pass,
    }
}

pub(crate) fn failing(live: &str, ready: &str) -> Probes {
    let fail = |reason: &str| ProbeState {
        ok: false,
        reason: Some(reason.to_owned()),
    };
    Probes {
        live: fail(live),
        ready: fail(ready),
    }
}

pub(crate) fn cell(status: Status) -> Arc<SnapshotCell> {
    Arc::new(SnapshotCell::new(PublishedReport::new(
        report(status),
        passing(),
    )))
}

pub(crate) fn config() -> ServerConfig {
    ServerConfig::new("127.0.0.1:0".parse().unwrap())
}

/// A server on loopback that serves `status`.
pub(crate) fn serve(status: Status) -> Server {
    start(config(), cell(status)).unwrap()
}

pub(crate) fn serve_published(published: PublishedReport) -> Server {
    start(config(), Arc::new(SnapshotCell::new(published))).unwrap()
}

pub(crate) fn serve_with(limits: Limits) -> Server {
    start(ServerConfig { limits, ..config() }, cell(Status::Healthy)).unwrap()
}
