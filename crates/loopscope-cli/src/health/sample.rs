//! Reports for the tests of what renders them. Each goes through the engine's own type, so a report
//! that the engine could not make cannot be tested with.

use std::time::Duration;

use loopscope_engine::report::Report;
use serde_json::{Value, json};

use super::look::Seen;

/// What a client sees of `report`.
pub(crate) fn seen(report: &Value) -> Seen {
    let report: Report = serde_json::from_value(report.clone()).unwrap();
    let body = serde_json::to_vec(&report).unwrap();
    let view = serde_json::from_slice(&body).unwrap();
    Seen {
        view,
        body,
        took: Duration::from_millis(3),
        age_seconds: Some(0.02),
    }
}

/// A service with nothing to report.
pub(crate) fn healthy() -> Value {
    json!({
        "schema_version": 1,
        "status": "healthy",
        "service": "shop",
        "version": "0.1.0",
        "timestamp": "2025-06-01T12:00:00Z",
        "uptime_seconds": 11520.0,
        "components": {"event_loops": "healthy"},
        "monitoring": {
            "processes_count": 1, "event_loops_count": 2, "blocked_loops": 0, "total_stalls": 0,
            "memory_mb": 63.7, "cpu_percent": 12.3, "open_fds": 17,
        },
        "issues": [],
        "incidents": [],
        "detailed_health": {
            "event_loops": [event_loop("loop-1", "main"), event_loop("loop-2", "worker")],
            "processes": [],
            "agent": {
                "samples": 0, "failed_samples": 0, "dropped": {}, "worst_lateness_seconds": 0.0,
                "notes": [],
            },
        },
    })
}

pub(crate) fn event_loop(id: &str, name: &str) -> Value {
    json!({
        "id": id, "name": name, "runtime": "asyncio", "pid": 4242, "thread_id": 4242,
        "state": "idle", "heartbeat_age_seconds": 0.002, "iterations": 1000,
        "busy_total_seconds": 1.0, "idle_total_seconds": 9.0, "utilization": 0.1, "stalls": 0,
        "longest_busy_seconds": 0.012,
    })
}

/// The same service with its main loop blocked.
pub(crate) fn blocked() -> Value {
    let mut report = healthy();
    report["status"] = json!("critical");
    report["components"]["event_loops"] = json!("critical");
    report["monitoring"]["blocked_loops"] = json!(1);
    report["monitoring"]["total_stalls"] = json!(14);
    report["monitoring"]["longest_stall_seconds"] = json!(6.21);
    report["issues"] = json!(["loop main is blocked for 6.2 s by time.sleep at app.py:31"]);
    report["incidents"] = json!([incident("incident-1", Value::Null)]);
    let main = &mut report["detailed_health"]["event_loops"][0];
    main["state"] = json!("blocked");
    main["busy_seconds"] = json!(6.21);
    main["heartbeat_age_seconds"] = json!(6.21);
    main["utilization"] = json!(0.413);
    main["stalls"] = json!(14);
    main["longest_busy_seconds"] = json!(6.21);
    report
}

pub(crate) fn incident(id: &str, closed_at: Value) -> Value {
    let frame = |function: &str, line: u32| json!({"file": "/srv/shop/app.py", "line": line, "function": function, "in_app": true});
    json!({
        "id": id, "fingerprint": "v1:0", "kind": "loop_stall", "severity": "critical",
        "opened_at": "2025-06-01T11:59:54Z", "updated_at": "2025-06-01T12:00:00Z",
        "closed_at": closed_at, "duration_seconds": 6.21, "longest_seconds": 6.21, "count": 1,
        "process": {"pid": 4242, "name": "python3"},
        "loop": {"id": "loop-1", "name": "main", "runtime": "asyncio", "thread_id": 4242},
        "summary": "time.sleep at /srv/shop/app.py:31 keeps the loop main from its other tasks",
        "cause": "blocking_call", "gil_held": false,
        "culprit": {"file": "/srv/shop/app.py", "line": 31, "function": "charge"},
        "frames": [frame("charge", 31), frame("checkout", 52)],
        "task": {"name": "Task-7", "await_chain": [frame("serve", 80), frame("checkout", 52)],
            "awaited_by": [
                {"name": "order-7", "level": 1, "await_chain": [frame("order", 61)]},
                {"name": "order-8", "level": 1, "await_chain": [frame("order", 61)]},
                {"name": "main", "level": 2, "await_chain": [frame("main", 99)]},
            ]},
        "advice": {
            "replacement": "await asyncio.sleep(seconds)", "steps": ["replace the call"],
            "verify": null, "rule": "ASYNC251",
        },
        "origin": null,
    })
}
