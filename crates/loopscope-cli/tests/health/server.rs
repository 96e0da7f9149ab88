//! Servers for one test each, on a thread and a free port.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use serde_json::{Value, json};

/// A server that answers every connection with what `answer` makes of the connection's number.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    requests: Receiver<String>,
}

impl Served {
    /// The head of the next request.
    pub(crate) fn request(&self) -> String {
        self.requests.recv().unwrap()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/health", self.address)
    }
}

pub(crate) fn serve(
    answer: impl Fn(usize, &mut TcpStream) -> std::io::Result<()> + Send + 'static,
) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (heads, requests) = mpsc::channel();
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            // A client that hangs up is part of some tests.
            let _ = heads.send(read_head(&mut stream));
            let _ = answer(number, &mut stream);
        }
    });
    Served { address, requests }
}

fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// A server that always answers the same.
pub(crate) fn serve_body(status: &'static str, body: impl Into<Vec<u8>>) -> Served {
    let body = body.into();
    serve(move |_, stream| write_answer(stream, status, &body))
}

pub(crate) fn write_answer(
    stream: &mut TcpStream,
    status: &str,
    body: &[u8],
) -> std::io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )?;
    stream.write_all(body)
}

/// A port on which nothing listens.
pub(crate) fn refusing_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

/// A small report; a critical one has an open incident.
pub(crate) fn report(status: &str) -> Value {
    let incident = json!({
        "id": "incident-1", "kind": "loop_stall", "severity": "critical", "closed_at": null,
        "duration_seconds": 6.21, "longest_seconds": 6.21, "count": 1,
        "summary": "time.sleep at app.py:31 keeps the loop main from its other tasks",
        "culprit": {"file": "app.py", "line": 31, "function": "charge"},
        "advice": {"replacement": "await asyncio.sleep(seconds)", "steps": []},
    });
    json!({
        "schema_version": 1,
        "status": status,
        "service": "shop",
        "timestamp": "2025-06-01T12:00:00Z",
        "uptime_seconds": 60.0,
        "issues": [],
        "incidents": if status == "critical" { vec![incident] } else { vec![] },
        "a_field_from_the_future": {"x": 1},
    })
}

pub(crate) fn serve_report(http_status: &'static str, status: &str) -> Served {
    serve_body(http_status, report(status).to_string())
}
