//! https: whom the command believes.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, Stream};

use crate::command::{finish, health, run};
use crate::server::report;

/// A server whose certificate only `authority` (PEM) vouches for.
struct SecureServer {
    url: String,
    authority: String,
}

fn serve_securely() -> SecureServer {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/health", listener.local_addr().unwrap());
    thread::spawn(move || answer_securely(&listener, &Arc::new(config)));
    SecureServer {
        url,
        authority: made.cert.pem(),
    }
}

fn answer_securely(listener: &TcpListener, config: &Arc<ServerConfig>) {
    let body = report("healthy").to_string();
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let mut connection = ServerConnection::new(config.clone()).unwrap();
        let mut secure = Stream::new(&mut connection, &mut stream);
        // A client that does not believe the certificate hangs up, which is part of the test. What another
        // asked is read first: a connection that is closed on unread bytes is reset.
        read_request(&mut secure);
        let length = body.len();
        let _ = write!(
            secure,
            "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let _ = secure.flush();
    }
}

/// Reads up to the empty line that ends a request without a body, or as far as there is one.
fn read_request(connection: &mut impl Read) {
    let mut asked = Vec::new();
    let mut byte = [0];
    while !asked.ends_with(b"\r\n\r\n") && connection.read_exact(&mut byte).is_ok() {
        asked.extend(byte);
    }
}

#[test]
fn a_certificate_that_the_system_vouches_for_is_believed() {
    let served = serve_securely();
    let folder = tempfile::tempdir().unwrap();
    let authority = folder.path().join("ca.pem");
    std::fs::write(&authority, &served.authority).unwrap();
    let mut command = health(&[&served.url]);
    command
        .env("SSL_CERT_FILE", &authority)
        .env_remove("SSL_CERT_DIR");
    let ran = finish(command);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.starts_with("HEALTHY  shop"), "{ran:?}");
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_not_believed() {
    let served = serve_securely();
    let ran = run(&[&served.url]);
    assert_eq!((ran.code, ran.stdout.as_str()), (3, ""), "{ran:?}");
    assert!(
        ran.stderr.starts_with("error: no secure connection ("),
        "{ran:?}"
    );
    assert!(ran.stderr.contains("SSL_CERT_FILE="), "{ran:?}");
}

#[test]
fn https_where_there_is_none_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let _ = stream
                .unwrap()
                .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let ran = run(&[&format!("https://{address}/health")]);
    assert_eq!((ran.code, ran.stdout.as_str()), (3, ""), "{ran:?}");
    assert!(
        ran.stderr.starts_with("error: no secure connection ("),
        "{ran:?}"
    );
    assert!(
        ran.stderr
            .contains(&format!("loopscope health http://{address}/health")),
        "{ran:?}"
    );
}
