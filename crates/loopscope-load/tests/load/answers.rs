//! What counts as an answer: statuses, redirects, bodies of every framing, and what is none.

use std::time::Duration;

use loopscope_load::{Address, FailureKind, Request, Tally};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::server::{OK, answering, read_request, serve};
use crate::{closed, open, send_one, stream};

const BRIEFLY: Duration = Duration::from_millis(200);

fn asked(answer: &'static [u8]) -> Tally {
    send_one(stream(&answering(answer).url(), closed(2)), BRIEFLY)
}

#[test]
fn bodies_of_every_framing_are_read_whole_and_connections_are_kept() {
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";
    let interim =
        b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcde";
    for answer in [&chunked[..], interim] {
        let tally = asked(answer);
        assert_eq!((tally.failed(), tally.connections), (0, 2), "{tally:?}");
        assert_eq!(tally.body_bytes, 5 * tally.answered);
        assert_eq!(tally.reused, tally.answered - 2);
    }
    let empty = asked(b"HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!((empty.failed(), empty.body_bytes), (0, 0));
}

#[test]
fn statuses_are_counted_and_those_that_are_errors_are_failures() {
    let tally = asked(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(tally.statuses.keys().collect::<Vec<_>>(), [&503]);
    assert_eq!((tally.failed(), tally.unanswered()), (tally.answered, 0));
}

#[test]
fn a_health_endpoint_that_says_critical_has_answered() {
    let server = answering(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
    let mut health = stream(&server.url(), closed(1));
    health.request = health.request.taking_unavailable();
    let tally = send_one(health, BRIEFLY);
    assert!(tally.answered > 0 && tally.failed() == 0, "{tally:?}");
}

#[test]
fn redirects_are_told_and_not_followed() {
    let tally = asked(
        b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
    );
    assert_eq!(tally.statuses.keys().collect::<Vec<_>>(), [&307]);
    assert_eq!(
        (tally.failed(), tally.locations.as_slice()),
        (0, &["/elsewhere".to_owned()][..])
    );
}

#[test]
fn a_connection_that_is_closed_after_each_answer_is_opened_anew() {
    let server = serve(|mut stream| async move {
        let answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
        if read_request(&mut stream).await {
            let _ = stream.write_all(answer).await;
        }
    });
    let tally = send_one(stream(&server.url(), closed(2)), BRIEFLY);
    assert_eq!(tally.failed(), 0, "{tally:?}");
    assert!(tally.connections >= tally.answered, "{tally:?}");
}

#[test]
fn a_kept_connection_that_the_server_hangs_up_is_no_failure() {
    // It closes without a word, and only after the answer is long read.
    let server = serve(|mut stream| async move {
        if read_request(&mut stream).await && stream.write_all(OK).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let tally = send_one(stream(&server.url(), open(10.0)), Duration::from_secs(1));
    assert_eq!(
        (tally.sent, tally.answered, tally.failed()),
        (10, 10, 0),
        "{tally:?}"
    );
}

#[test]
fn an_answer_that_breaks_off_is_none() {
    let server = serve(|mut stream| async move {
        if read_request(&mut stream).await {
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
                .await;
        }
    });
    let tally = send_one(stream(&server.url(), closed(1)), BRIEFLY);
    assert_eq!(tally.answered, 0);
    assert_eq!(
        tally.failures.keys().collect::<Vec<_>>(),
        [&FailureKind::Closed],
        "{tally:?}"
    );
}

#[test]
fn what_speaks_no_http_is_told() {
    let server = serve(|mut stream| async move {
        let _ = stream.write_all(b"220 smtp.example ESMTP\r\n").await;
        while read_request(&mut stream).await {}
    });
    let tally = send_one(stream(&server.url(), closed(1)), BRIEFLY);
    assert_eq!(tally.answered, 0);
    assert_eq!(
        tally.failures.keys().collect::<Vec<_>>(),
        [&FailureKind::Protocol],
        "{tally:?}"
    );
}

#[test]
fn no_answer_in_time_is_a_failure_that_waited_so_long() {
    let server = serve(|mut stream| async move { while read_request(&mut stream).await {} });
    let mut asked = stream(&server.url(), closed(1));
    asked.timeout = Duration::from_millis(100);
    let tally = send_one(asked, BRIEFLY);
    assert_eq!(
        tally.failures.keys().collect::<Vec<_>>(),
        [&FailureKind::TimedOut],
        "{tally:?}"
    );
    assert!(tally.latencies.min() >= 99_000, "{}", tally.latencies.min());
    assert_eq!(tally.waiting(), 0);
}

#[test]
fn bodies_and_headers_are_sent_as_they_were_given() {
    // It answers 200 to exactly what is expected, and hangs up otherwise.
    let server = serve(|mut stream| async move {
        let mut text = Vec::new();
        let mut part = [0; 1024];
        while let Ok(count @ 1..) = stream.read(&mut part).await {
            text.extend(&part[..count]);
            if text.ends_with(br#"{"n":1}"#) {
                let head = String::from_utf8_lossy(&text).to_lowercase();
                let is_whole = head.starts_with("post /orders?a=b http/1.1\r\n")
                    && head.contains("\r\nx-one: 1\r\n")
                    && head.contains("\r\ncontent-length: 7\r\n")
                    && head.contains("\r\nhost: 127.0.0.1:");
                if !is_whole || stream.write_all(OK).await.is_err() {
                    return;
                }
                text.clear();
            }
        }
    });
    let (address, _) = Address::parse(&server.url()).unwrap();
    let headers = [("X-One".to_owned(), "1".to_owned())];
    let body = br#"{"n":1}"#.to_vec();
    let mut asked = stream(&server.url(), closed(1));
    asked.request = Request::new(address, "POST", "/orders?a=b", &headers, body).unwrap();
    let tally = send_one(asked, BRIEFLY);
    assert!(tally.answered > 0 && tally.failed() == 0, "{tally:?}");
}
