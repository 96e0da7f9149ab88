//! Who is let in.

use std::net::SocketAddr;

use loopscope_engine::report::Status;
use loopscope_server::{Server, ServerConfig, ServerError, Token, start};

use crate::client::{exchange, get, parse, request};
use crate::sample::{cell, config, serve};

const SECRET: &str = "0123456789abcdef";

fn serve_with_token(listen: &str) -> Server {
    let token = Some(Token::new(SECRET).unwrap());
    let config = ServerConfig {
        listen: listen.parse().unwrap(),
        token,
        ..config()
    };
    start(config, cell(Status::Healthy)).unwrap()
}

#[test]
fn listening_wider_than_loopback_needs_a_token() {
    for listen in ["0.0.0.0:0", "[::]:0"] {
        let config = ServerConfig::new(listen.parse().unwrap());
        let error = start(config, cell(Status::Healthy)).unwrap_err();
        assert!(
            matches!(error, ServerError::TokenRequired { .. }),
            "{error}"
        );
        assert!(error.hint().contains("LOOPSCOPE_TOKEN"));
    }
}

#[test]
fn without_the_token_the_report_is_not_served() {
    let server = serve_with_token("127.0.0.1:0");
    let wrong = format!("Authorization: Bearer {SECRET}x\r\n");
    let basic = format!("Authorization: Basic {SECRET}\r\n");
    for headers in [
        "",
        "Authorization: Bearer\r\n",
        wrong.as_str(),
        basic.as_str(),
    ] {
        for path in ["/health", "/", "/nowhere"] {
            let answer = request(server.local_addr(), "GET", path, headers);
            assert_eq!(answer.status, 401, "{path} {headers}");
            assert_eq!(
                answer.header("www-authenticate"),
                Some("Bearer realm=\"loopscope\"")
            );
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            assert!(!answer.body.contains("shop"));
        }
    }
}

#[test]
fn with_the_token_the_report_is_served() {
    let server = serve_with_token("127.0.0.1:0");
    for scheme in ["Bearer", "bearer"] {
        let headers = format!("Authorization: {scheme} {SECRET}\r\n");
        assert_eq!(
            request(server.local_addr(), "GET", "/health", &headers).status,
            200
        );
    }
}

#[test]
fn probes_need_no_token() {
    let server = serve_with_token("127.0.0.1:0");
    assert_eq!(get(server.local_addr(), "/livez").status, 200);
    assert_eq!(get(server.local_addr(), "/readyz").status, 200);
}

#[test]
fn with_a_token_a_wider_listener_answers_to_any_name() {
    let server = serve_with_token("0.0.0.0:0");
    let address = SocketAddr::from(([127, 0, 0, 1], server.local_addr().port()));
    let raw = format!(
        "GET /health HTTP/1.1\r\nHost: shop.internal\r\nConnection: close\r\n\
         Authorization: Bearer {SECRET}\r\n\r\n"
    );
    assert_eq!(parse(&exchange(address, raw.as_bytes())).status, 200);
}

#[test]
fn on_loopback_a_name_as_host_is_refused_with_the_reason() {
    let server = serve(Status::Healthy);
    for path in ["/health", "/livez"] {
        let raw = format!("GET {path} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
        let answer = parse(&exchange(server.local_addr(), raw.as_bytes()));
        assert_eq!(answer.status, 421);
        assert!(answer.body.contains("localhost") && answer.body.contains("hint:"));
    }
}

#[test]
fn on_loopback_localhost_is_a_host() {
    let server = serve(Status::Healthy);
    let raw = b"GET /health HTTP/1.1\r\nHost: localhost:14159\r\nConnection: close\r\n\r\n";
    assert_eq!(parse(&exchange(server.local_addr(), raw)).status, 200);
}

#[test]
fn http_1_0_without_a_host_is_answered_and_http_1_1_is_not() {
    let server = serve(Status::Healthy);
    let old = exchange(server.local_addr(), b"GET /health HTTP/1.0\r\n\r\n");
    assert_eq!(parse(&old).status, 200);
    let new = exchange(
        server.local_addr(),
        b"GET /health HTTP/1.1\r\nConnection: close\r\n\r\n",
    );
    assert_eq!(parse(&new).status, 400);
}

#[test]
fn an_address_that_is_taken_is_an_error_with_a_hint() {
    let first = serve(Status::Healthy);
    let config = ServerConfig::new(first.local_addr());
    let error = start(config, cell(Status::Healthy)).unwrap_err();
    assert!(matches!(error, ServerError::Bind { .. }), "{error}");
    assert!(
        error.to_string().ends_with(&first.local_addr().to_string()),
        "{error}"
    );
    assert!(
        error.hint().contains("--listen 127.0.0.1:0"),
        "{}",
        error.hint()
    );
}
