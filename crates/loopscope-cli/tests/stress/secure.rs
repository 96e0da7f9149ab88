//! https: loaded where this host vouches for the certificate, and nowhere else.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, Stream};
use tempfile::TempDir;

use crate::command::{SHORT, finish, run, stress};

/// Serves `ok` for each request, and returns its address and who vouches for it (PEM).
fn serve_securely() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let (config, listener) = (Arc::new(config), TcpListener::bind("127.0.0.1:0").unwrap());
    let url = format!("https://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (config, mut stream) = (Arc::clone(&config), stream.unwrap());
            thread::spawn(move || {
                let mut connection = ServerConnection::new(config).unwrap();
                let mut secure = Stream::new(&mut connection, &mut stream);
                let mut asked = [0; 2048];
                // A request is one record. Whoever does not believe the certificate hangs up, which is part of it.
                while let Ok(1..) = secure.read(&mut asked) {
                    let _ = secure.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
                    let _ = secure.flush();
                }
            });
        }
    });
    (url, made.cert.pem())
}

#[test]
fn a_certificate_that_the_system_vouches_for_is_believed() {
    let (url, authority) = serve_securely();
    let home = TempDir::new().unwrap();
    let file = home.path().join("ca.pem");
    std::fs::write(&file, authority).unwrap();
    let words = [&[url.as_str(), "--endpoint", "GET", "/ok"][..], &SHORT].concat();
    let mut command = stress(home.path(), &words);
    command
        .env("SSL_CERT_FILE", &file)
        .env_remove("SSL_CERT_DIR");
    let ran = finish(command);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("open loop GET /ok"), "{ran:?}");
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_not_believed() {
    let (url, _) = serve_securely();
    let ran = run(&[&url, "--endpoint", "GET", "/ok"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.contains("× no secure connection)"), "{ran:?}");
}
