//! Clients that withhold, flood, mumble or never listen.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Barrier;
use std::time::Duration;

use loopscope_engine::report::Status;
use loopscope_server::Limits;

use crate::client::{connect, exchange, get, parse, read_to_end, request};
use crate::sample::{serve, serve_with};

/// Short enough to be seen in a test, whose clients are otherwise answered at once.
fn impatient() -> Limits {
    Limits {
        header_read: Duration::from_millis(500),
        ..Limits::default()
    }
}

#[test]
fn a_client_that_withholds_its_request_is_disconnected() {
    let server = serve_with(impatient());
    let mut silent = connect(server.local_addr());
    let mut partial = connect(server.local_addr());
    partial
        .write_all(b"GET /health HTTP/1.1\r\nHost: local")
        .unwrap();
    assert_eq!(read_to_end(&mut silent), "");
    assert_eq!(read_to_end(&mut partial), "");
}

#[test]
fn a_client_that_trickles_its_request_is_disconnected() {
    let server = serve_with(impatient());
    let mut trickling = connect(server.local_addr());
    trickling.write_all(b"GET /health HTTP/1.1\r\n").unwrap();
    // Each line is another sign of life; only the whole head counts. Ends when the server closes.
    trickling
        .set_read_timeout(Some(Duration::from_millis(10)))
        .unwrap();
    while trickling.write_all(b"X-More: 1\r\n").is_ok() {
        match trickling.read(&mut [0; 64]) {
            Ok(0) => break,
            Ok(_) => panic!("the head was never ended"),
            Err(_) => {}
        }
    }
    assert_eq!(get(server.local_addr(), "/health").status, 200);
}

#[test]
fn others_are_answered_while_many_withhold_their_requests() {
    let server = serve(Status::Healthy);
    let withheld: Vec<TcpStream> = (0..300)
        .map(|_| partial_request(server.local_addr()))
        .collect();
    assert_eq!(get(server.local_addr(), "/health").status, 200);
    drop(withheld);
}

fn partial_request(address: SocketAddr) -> TcpStream {
    let mut stream = connect(address);
    stream.write_all(b"GET /health HTTP/1.1\r\n").unwrap();
    stream
}

#[test]
fn a_kept_connection_is_used_again_and_closed_when_it_stays_silent() {
    let server = serve_with(impatient());
    let mut kept = connect(server.local_addr());
    for _ in 0..2 {
        kept.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .unwrap();
        assert!(read_answer(&mut kept).ends_with("ok\n"));
    }
    assert_eq!(read_to_end(&mut kept), "");
}

/// One answer of `/livez`, whose body ends with the only bare newline.
fn read_answer(stream: &mut TcpStream) -> String {
    let mut received = String::new();
    while !received.ends_with("\r\n\r\nok\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        received.push(char::from(byte[0]));
    }
    received
}

#[test]
fn one_connection_too_many_closes_the_oldest() {
    let server = serve_with(Limits {
        max_connections: 4,
        ..Limits::default()
    });
    let mut idle: Vec<TcpStream> = (0..4).map(|_| connect(server.local_addr())).collect();
    assert_eq!(get(server.local_addr(), "/health").status, 200);
    assert_eq!(read_to_end(&mut idle[0]), "");
    for kept in &mut idle[1..] {
        kept.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .unwrap();
        assert!(read_answer(kept).starts_with("HTTP/1.1 200"));
    }
}

#[test]
fn a_flood_of_idle_connections_does_not_keep_others_out() {
    let server = serve_with(Limits {
        max_connections: 8,
        ..Limits::default()
    });
    let flood: Vec<TcpStream> = (0..400).map(|_| connect(server.local_addr())).collect();
    assert_eq!(get(server.local_addr(), "/health").status, 200);
    drop(flood);
}

#[test]
fn a_client_that_never_reads_is_disconnected() {
    let server = serve_with(Limits {
        connection_lifetime: Duration::from_millis(200),
        ..impatient()
    });
    let mut deaf = connect(server.local_addr());
    let request = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let error = loop {
        if let Err(error) = deaf.write_all(request) {
            break error;
        }
    };
    let kind = error.kind();
    assert!(
        matches!(
            kind,
            std::io::ErrorKind::BrokenPipe | std::io::ErrorKind::ConnectionReset
        ),
        "{error}"
    );
}

#[test]
fn garbage_is_refused_and_the_next_client_is_answered() {
    let server = serve(Status::Healthy);
    let garbage: [&[u8]; 8] = [
        b"\0\0\0\0\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /health HTTP/9.9\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost localhost\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\xff\xfe\xfd HTTP/1.1\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
    ];
    for raw in garbage {
        let response = exchange(server.local_addr(), raw);
        assert!(!response.contains(" 200 "), "{response}");
        assert_eq!(get(server.local_addr(), "/health").status, 200);
    }
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let server = serve(Status::Healthy);
    let headers = format!("X-Large: {}\r\n", "x".repeat(64 * 1024));
    let raw = format!("GET /health HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
    let response = exchange(server.local_addr(), raw.as_bytes());
    // The rest of the head may still be on its way when the server closes, which can reset the answer.
    assert!(
        response.is_empty() || response.starts_with("HTTP/1.1 431"),
        "{response}"
    );
    assert_eq!(get(server.local_addr(), "/health").status, 200);
}

#[test]
fn a_body_that_never_comes_does_not_hold_the_answer() {
    let server = serve(Status::Healthy);
    let answer = request(
        server.local_addr(),
        "GET",
        "/health",
        "Content-Length: 1000000000\r\n",
    );
    assert_eq!(answer.status, 200);
}

#[test]
fn two_hundred_clients_at_once_are_all_answered() {
    let server = serve(Status::Degraded);
    let address = server.local_addr();
    let together = Barrier::new(200);
    std::thread::scope(|scope| {
        for _ in 0..200 {
            scope.spawn(|| {
                together.wait();
                let answer = get(address, "/health");
                assert_eq!(
                    (answer.status, &answer.json()["service"]),
                    (200, &"shop".into())
                );
            });
        }
    });
}

#[test]
fn a_dropped_server_closes_its_port_and_its_connections() {
    let server = serve(Status::Healthy);
    let address = server.local_addr();
    let mut kept = connect(address);
    kept.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    assert!(parse(&read_answer(&mut kept)).status == 200);
    server.shutdown();
    assert_eq!(read_to_end(&mut kept), "");
    assert!(TcpStream::connect(address).is_err());
}
