//! The least of an HTTP client: one GET on a connection of its own, read to the end.
//!
//! A client library would pool, retry and follow; a test of "answers now" must see the plain exchange.

use std::io::{Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A status code and a body.
pub(crate) struct Response {
    /// The status code.
    pub(crate) code: u16,
    /// The head, status line and fields.
    pub(crate) head: String,
    /// The body.
    pub(crate) body: String,
}

/// Gets `path` from `address`, giving up after `patience`.
pub(crate) fn get(address: SocketAddr, path: &str, patience: Duration) -> Result<Response> {
    let mut stream = TcpStream::connect_timeout(&address, patience)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    parse(&answer).ok_or_else(|| std::io::Error::other(format!("not an HTTP answer: {answer:?}")))
}

fn parse(answer: &str) -> Option<Response> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let code = head.split(' ').nth(1)?.parse().ok()?;
    Some(Response {
        code,
        head: head.to_owned(),
        body: body.to_owned(),
    })
}
