//! What is to be sent: streams of requests, each with its shape, checked before anything is sent.

use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Uri};

use crate::address::Address;
use crate::error::LoadError;

/// The most senders, and the most connections of an open loop: each has a descriptor.
pub(crate) const MOST_SENDERS: usize = 10_000;

/// The most requests a second: what one thread sends to a service that answers at once.
pub(crate) const MOST_RATE: f64 = 100_000.0;

/// Streams of requests that are sent at the same time.
#[derive(Clone, Debug)]
pub struct Load {
    /// What is sent.
    pub streams: Vec<Stream>,
    /// For how long. Answers to what was sent by then are waited for.
    pub duration: Duration,
}

/// One request, sent over and over.
#[derive(Clone, Debug)]
pub struct Stream {
    /// What it is called in results.
    pub name: String,
    /// The request.
    pub request: Request,
    /// How it is sent.
    pub shape: Shape,
    /// How long a whole answer may take.
    pub timeout: Duration,
}

/// How a request is sent over and over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    /// So many senders; each sends its next request when it has the answer to its last. A service that stalls
    /// is asked less often, so this says what it can do at most, not what its users wait.
    Closed {
        /// How many.
        senders: usize,
    },
    /// Requests at even distances, whatever becomes of them.
    Open {
        /// How many a second.
        rate: f64,
        /// Connections at most. Where all of them wait for answers, what is due waits, and its latency counts
        /// from when it was due.
        connections: usize,
    },
}

/// One request.
#[derive(Clone, Debug)]
pub struct Request {
    /// Where to.
    pub address: Address,
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Whether 503 is an answer like any other, as of a health endpoint.
    pub(crate) unavailable_is_an_answer: bool,
}

impl Request {
    /// A request with these headers; `Host` is added where it is not among them.
    ///
    /// # Errors
    ///
    /// [`LoadError::Request`] where HTTP cannot carry one of the parts.
    pub fn new(
        address: Address,
        method: &str,
        path: &str,
        headers: &[(String, String)],
        body: Vec<u8>,
    ) -> Result<Self, LoadError> {
        let refused = |part, text: &str, why: String| LoadError::Request {
            part,
            why,
            text: text.to_owned(),
        };
        let parsed = Method::from_bytes(method.as_bytes());
        let method = parsed.map_err(|error| refused("method", method, error.to_string()))?;
        if !path.starts_with('/') {
            return Err(refused("path", path, "it begins with no /".to_owned()));
        }
        let uri = path
            .parse::<Uri>()
            .map_err(|error| refused("path", path, error.to_string()))?;
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let key = HeaderName::from_bytes(name.as_bytes())
                .map_err(|error| refused("header", name, error.to_string()))?;
            let value = HeaderValue::from_str(value)
                .map_err(|error| refused("header", name, error.to_string()))?;
            map.append(key, value);
        }
        if !map.contains_key(HOST) {
            let host = HeaderValue::from_str(&address.authority())
                .map_err(|error| refused("header", "Host", error.to_string()))?;
            map.insert(HOST, host);
        }
        Ok(Self {
            address,
            method,
            uri,
            headers: map,
            body: body.into(),
            unavailable_is_an_answer: false,
        })
    }

    /// Takes 503 for an answer like any other, as of a health endpoint that says `critical`.
    #[must_use]
    pub fn taking_unavailable(mut self) -> Self {
        self.unavailable_is_an_answer = true;
        self
    }

    /// Whether an answer with this status is what was asked for; a redirect is not followed, and is none of
    /// the service's failures.
    pub(crate) fn is_good(&self, status: u16) -> bool {
        status < 400 || (status == 503 && self.unavailable_is_an_answer)
    }

    /// Whether sending it twice is the same as once (RFC 9110, section 9.2.2).
    pub(crate) fn is_idempotent(&self) -> bool {
        matches!(
            self.method,
            Method::GET
                | Method::HEAD
                | Method::PUT
                | Method::DELETE
                | Method::OPTIONS
                | Method::TRACE
        )
    }
}

impl Load {
    /// Checks the numbers.
    pub(crate) fn check(&self) -> Result<(), LoadError> {
        within("the duration", self.duration.as_secs_f64(), 0.01, 86_400.0)?;
        for stream in &self.streams {
            within("the time-out", stream.timeout.as_secs_f64(), 0.001, 3_600.0)?;
            let senders = match stream.shape {
                Shape::Closed { senders } => senders,
                Shape::Open { rate, connections } => {
                    within("the rate", rate, 0.01, MOST_RATE)?;
                    connections
                }
            };
            within(
                "the number of senders",
                senders as f64,
                1.0,
                MOST_SENDERS as f64,
            )?;
        }
        Ok(())
    }
}

fn within(what: &'static str, given: f64, least: f64, most: f64) -> Result<(), LoadError> {
    // False for what is no number.
    if (least..=most).contains(&given) {
        return Ok(());
    }
    Err(LoadError::Range {
        what,
        given,
        least,
        most,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(method: &str, path: &str, header: (&str, &str)) -> Result<Request, LoadError> {
        let (address, _) = Address::parse("shop:8000").unwrap();
        let headers = [(header.0.to_owned(), header.1.to_owned())];
        Request::new(address, method, path, &headers, Vec::new())
    }

    #[test]
    fn a_request_has_a_host_unless_it_was_given_one() {
        let made = request("GET", "/a?b=c", ("x-one", "1")).unwrap();
        assert_eq!(made.headers[HOST], "shop:8000");
        let made = request("GET", "/", ("Host", "other")).unwrap();
        assert_eq!(made.headers[HOST], "other");
    }

    #[test]
    fn what_http_cannot_carry_is_refused() {
        for (method, path, header) in [
            ("GE T", "/", ("a", "b")),
            ("GET", "orders", ("a", "b")),
            ("GET", "/a b", ("a", "b")),
            ("GET", "/", ("a b", "c")),
            ("GET", "/", ("a", "two\nlines")),
        ] {
            assert!(
                request(method, path, header).is_err(),
                "{method} {path} {header:?}"
            );
        }
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        let load = |shape| Load {
            duration: Duration::from_secs(1),
            streams: vec![Stream {
                name: "GET /".into(),
                request: request("GET", "/", ("a", "b")).unwrap(),
                shape,
                timeout: Duration::from_secs(1),
            }],
        };
        let open = |rate| Shape::Open {
            rate,
            connections: 10,
        };
        assert!(load(open(100.0)).check().is_ok());
        assert!(load(Shape::Closed { senders: 0 }).check().is_err());
        for rate in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(load(open(rate)).check().is_err(), "{rate}");
        }
    }
}
