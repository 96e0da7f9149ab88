//! Encrypted connections: believed only where this host trusts the certificate.

use std::sync::Arc;
use std::time::Duration;

use loopscope_load::FailureKind;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

use crate::server::{OK, Server, serve};
use crate::{closed, send_one, stream};

fn serving_securely() -> Server {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    serve(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                return;
            };
            let mut part = [0; 1024];
            while let Ok(1..) = stream.read(&mut part).await {
                let _ = stream.write_all(OK).await;
            }
        }
    })
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_not_believed() {
    let url = format!("https://{}", serving_securely().address);
    let tally = send_one(stream(&url, closed(1)), Duration::from_millis(200));
    assert_eq!(tally.answered, 0);
    assert_eq!(
        tally.failures.keys().collect::<Vec<_>>(),
        [&FailureKind::Tls],
        "{tally:?}"
    );
}

#[test]
fn https_where_there_is_none_is_told() {
    let plain = serve(|mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    });
    let url = format!("https://{}", plain.address);
    let tally = send_one(stream(&url, closed(1)), Duration::from_millis(200));
    assert_eq!(tally.answered, 0);
    assert_eq!(
        tally.failures.keys().collect::<Vec<_>>(),
        [&FailureKind::Tls],
        "{tally:?}"
    );
}
