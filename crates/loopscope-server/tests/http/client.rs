//! A client that sends exactly what a test says. Its time-outs only keep a broken server from hanging
//! the test; none of them is expected to pass.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// A header's value by its name in lower case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find_map(|(key, value)| key.eq_ignore_ascii_case(name).then_some(value))
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends `raw` and reads until the server closes.
pub(crate) fn exchange(address: SocketAddr, raw: &[u8]) -> String {
    let mut stream = connect(address);
    // The server may close before all is sent; what it answered still counts.
    let _ = stream.write_all(raw);
    read_to_end(&mut stream)
}

/// What comes until the server closes. A reset is a way to close.
pub(crate) fn read_to_end(stream: &mut TcpStream) -> String {
    let mut received = Vec::new();
    if let Err(error) = stream.read_to_end(&mut received) {
        assert_eq!(
            error.kind(),
            std::io::ErrorKind::ConnectionReset,
            "the server did not close"
        );
    }
    String::from_utf8(received).unwrap()
}

pub(crate) fn request(address: SocketAddr, method: &str, path: &str, headers: &str) -> Answer {
    let raw = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\n"
    );
    parse(&exchange(address, raw.as_bytes()))
}

pub(crate) fn get(address: SocketAddr, path: &str) -> Answer {
    request(address, "GET", path, "")
}

pub(crate) fn parse(response: &str) -> Answer {
    let (head, body) = response.split_once("\r\n\r\n").expect(response);
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer {
        status,
        head: head.to_owned(),
        body: body.to_owned(),
    }
}
