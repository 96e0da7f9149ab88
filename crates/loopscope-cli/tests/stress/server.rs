//! Servers for one test each, a thread for each connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

/// A server, and what can be done to it while it serves.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    /// Requests answered.
    pub(crate) answered: Arc<AtomicU64>,
    /// Milliseconds before each answer.
    pub(crate) delay: Arc<AtomicU64>,
    gone: Arc<AtomicBool>,
}

impl Served {
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Lets go of the port and of every connection.
    pub(crate) fn die(&self) {
        self.gone.store(true, Ordering::Relaxed);
        // The listener has to notice.
        let _ = TcpStream::connect(self.address);
    }

    /// Waits until so many requests were answered.
    pub(crate) fn until_answered(&self, count: u64) {
        while self.answered.load(Ordering::Relaxed) < count {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Answers each path with what `answer` makes of it, a head line and a body.
pub(crate) fn serve(answer: fn(&str) -> (String, String)) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let served = Served {
        address: listener.local_addr().unwrap(),
        answered: Arc::default(),
        delay: Arc::default(),
        gone: Arc::default(),
    };
    let (answered, delay) = (Arc::clone(&served.answered), Arc::clone(&served.delay));
    let gone = Arc::clone(&served.gone);
    thread::spawn(move || {
        for stream in listener.incoming() {
            if gone.load(Ordering::Relaxed) {
                return;
            }
            let (answered, delay) = (Arc::clone(&answered), Arc::clone(&delay));
            let gone = Arc::clone(&gone);
            thread::spawn(move || {
                let mut stream = stream.unwrap();
                stream.set_nodelay(true).unwrap();
                while let Some(path) = read_path(&mut stream) {
                    thread::sleep(Duration::from_millis(delay.load(Ordering::Relaxed)));
                    let (head, body) = answer(&path);
                    let length = body.len();
                    let text = format!("HTTP/1.1 {head}\r\nContent-Length: {length}\r\n\r\n{body}");
                    if gone.load(Ordering::Relaxed) || stream.write_all(text.as_bytes()).is_err() {
                        return;
                    }
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    served
}

/// The path of the next request without a body.
fn read_path(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut part = [0; 2048];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut part) {
            Ok(count @ 1..) => head.extend(&part[..count]),
            _ => return None,
        }
    }
    let head = String::from_utf8_lossy(&head);
    head.split(' ').nth(1).map(str::to_owned)
}

/// A service that knows `/ok`, `/broken` and `/moved`, and no Loopscope.
pub(crate) fn service() -> Served {
    serve(|path| match path {
        "/ok" => ("200 OK".into(), "ok".into()),
        "/broken" => ("500 Internal Server Error".into(), String::new()),
        "/moved" => (
            "307 Temporary Redirect\r\nLocation: /ok".into(),
            String::new(),
        ),
        _ => ("404 Not Found".into(), "no such path".into()),
    })
}

/// The same with a small report at `/health`.
pub(crate) fn watched_service() -> Served {
    serve(|path| match path {
        "/health" => ("200 OK".into(), report().to_string()),
        _ => ("200 OK".into(), "ok".into()),
    })
}

/// A report of one loop that idles.
pub(crate) fn report() -> Value {
    json!({
        "schema_version": 1,
        "status": "healthy",
        "service": "shop",
        "timestamp": "2025-06-01T12:00:00Z",
        "uptime_seconds": 60.0,
        "monitoring": {"memory_mb": 80.0, "open_fds": 12, "cpu_percent": 5.0},
        "issues": [],
        "incidents": [],
        "detailed_health": {
            "event_loops": [{"id": "1", "name": "main", "state": "idle", "stalls": 0,
                "busy_total_seconds": 1.0, "idle_total_seconds": 9.0, "longest_busy_seconds": 0.01}],
            "tasks": {"spawned": 10, "alive": 2, "done": 8, "cancelled": 0, "failed": 0},
            "system": [{"pid": 1, "threads": 3}],
        },
    })
}

/// An address at which nobody listens.
pub(crate) fn refusing_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}
