//! A run that was written down gives the same report each time that it is replayed.
//!
//! The file holds one observation a line: a service with two loops, of which the worker's blocks in a
//! synchronous HTTP call, then sleeps three times, and is killed at last.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use loopscope_engine::{
    Config, Engine,
    observation::Observation,
    report::Report,
    time::{Nanos, WallAnchor},
};

const RUN: &str = include_str!("data/run.jsonl");

fn replay() -> Engine {
    let anchor = WallAnchor {
        monotonic: Nanos(0),
        unix_nanos: 1_700_000_000_000_000_000,
    };
    let mut engine = Engine::new(Config::default(), "shop".into(), "0.1.0", anchor, Nanos(0));
    for line in RUN.lines() {
        let observation: Observation = serde_json::from_str(line).unwrap();
        engine.observe(&observation);
    }
    engine
}

fn sentences(report: &Report) -> String {
    let lines = report.incidents.iter().map(|incident| {
        let closed = incident
            .closed_at
            .map_or("open".to_owned(), |closed| closed.to_string());
        format!(
            "{:?} {} {closed}\n  {}",
            incident.severity, incident.fingerprint, incident.summary
        )
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn pretty(value: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap()
}

#[test]
fn the_run_gives_the_incidents_that_it_gave_when_it_was_written_down() {
    let report = replay().final_report(Nanos::from_millis(20_000));
    insta::assert_snapshot!(sentences(&report), @r#"
    Critical ls1:2fb7b919c282edc8 2023-11-14T22:13:27.2Z
      loop worker (pid 41, uvloop) stalled for 6.2 s at worker.py:30 in load_price: requests.get; write await client.get(...) instead
    Degraded ls1:f8a05397e595e3a7 2023-11-14T22:13:31.31Z
      loop main (pid 41, asyncio) stalled 3 times (longest 0.31 s) at app.py:42 in handler: time.sleep; write await asyncio.sleep(...) instead
    Critical ls1:72d7bd224a53e9f9 open
      the main process python3 (pid 41) was killed by signal 9
    "#);
}

#[test]
fn the_whole_report_of_the_run_is_as_it_was() {
    let report = replay().report(Nanos::from_millis(20_000));
    insta::assert_snapshot!(pretty(&report.incidents[0]), @r#"
    {
      "id": "incident-1",
      "fingerprint": "ls1:2fb7b919c282edc8",
      "kind": "loop_stall",
      "severity": "critical",
      "opened_at": "2023-11-14T22:13:21Z",
      "updated_at": "2023-11-14T22:13:27.2Z",
      "closed_at": "2023-11-14T22:13:27.2Z",
      "duration_seconds": 6.2,
      "longest_seconds": 6.2,
      "count": 1,
      "process": {
        "pid": 41,
        "name": "python3"
      },
      "loop": {
        "id": "loop-2",
        "name": "worker",
        "runtime": "uvloop",
        "thread_id": 43
      },
      "summary": "loop worker (pid 41, uvloop) stalled for 6.2 s at worker.py:30 in load_price: requests.get; write await client.get(...) instead",
      "cause": "blocking_call",
      "gil_held": false,
      "culprit": {
        "file": "/srv/shop/worker.py",
        "line": 30,
        "function": "load_price"
      },
      "frames": [
        {
          "file": "/usr/lib/python3.11/socket.py",
          "line": 706,
          "function": "SocketIO.readinto",
          "in_app": false
        },
        {
          "file": "/srv/.venv/lib/python3.11/site-packages/urllib3/connectionpool.py",
          "line": 466,
          "function": "HTTPConnectionPool._make_request",
          "in_app": false
        },
        {
          "file": "/srv/.venv/lib/python3.11/site-packages/requests/sessions.py",
          "line": 589,
          "function": "Session.request",
          "in_app": false
        },
        {
          "file": "/srv/.venv/lib/python3.11/site-packages/requests/api.py",
          "line": 73,
          "function": "get",
          "in_app": false
        },
        {
          "file": "/srv/shop/worker.py",
          "line": 30,
          "function": "load_price",
          "in_app": true
        },
        {
          "file": "/srv/shop/worker.py",
          "line": 24,
          "function": "refresh",
          "in_app": true
        },
        {
          "file": "/srv/shop/worker.py",
          "line": 12,
          "function": "start",
          "in_app": true
        },
        {
          "file": "/usr/lib/python3.11/threading.py",
          "line": 982,
          "function": "Thread.run",
          "in_app": false
        }
      ],
      "task": {
        "name": "refresh-prices",
        "await_chain": [
          {
            "file": "/srv/shop/worker.py",
            "line": 24,
            "function": "refresh",
            "in_app": true
          }
        ],
        "awaited_by": [
          {
            "name": "price-keeper",
            "level": 1,
            "await_chain": [
              {
                "file": "/srv/shop/worker.py",
                "line": 18,
                "function": "keep_prices",
                "in_app": true
              },
              {
                "file": "/usr/lib/python3.11/asyncio/tasks.py",
                "line": 445,
                "function": "wait_for",
                "in_app": false
              }
            ]
          }
        ]
      },
      "advice": {
        "replacement": "await client.get(...)  # client = httpx.AsyncClient()",
        "steps": [
          "stop the bleeding: run the call in a thread, `await asyncio.to_thread(requests.get, ...)`, with a `timeout`",
          "fix: one `httpx.AsyncClient()` or `aiohttp.ClientSession()` for the service, and await its calls"
        ],
        "verify": "run the same request again, then `loopscope health`: this incident's count stays at 1",
        "rule": "ASYNC210"
      },
      "origin": null
    }
    "#);
    insta::assert_snapshot!(pretty(&report.monitoring), @r#"
    {
      "processes_count": 0,
      "event_loops_count": 0,
      "blocked_loops": 0,
      "total_stalls": 4,
      "longest_stall_seconds": 6.2
    }
    "#);
    insta::assert_snapshot!(pretty(&report.components), @r#"
    {
      "agent": "healthy",
      "event_loops": "degraded",
      "processes": "critical",
      "resources": "healthy"
    }
    "#);
}

#[test]
fn the_written_down_form_of_an_observation_reads_back_the_same() {
    for line in RUN.lines() {
        let observation: Observation = serde_json::from_str(line).unwrap();
        let again = serde_json::to_string(&observation).unwrap();
        assert_eq!(
            serde_json::from_str::<Observation>(&again).unwrap(),
            observation
        );
    }
}
