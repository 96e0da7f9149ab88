//! One HTTP/1.1 connection, driven by whoever uses it: no task of its own, and so no switch between two.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::Poll;

use bytes::Bytes;
use http::header::LOCATION;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::failure::FailureKind;

type Driver = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

/// A connection that carries one request at a time.
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// `None` once the connection is over.
    driver: Option<Driver>,
    /// Whether it has carried a request.
    pub(crate) has_carried: bool,
}

/// What is kept of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body_bytes: u64,
    /// Where a redirect leads.
    pub(crate) location: Option<String>,
}

impl Connection {
    pub(crate) async fn new<T>(stream: T) -> Result<Self, FailureKind>
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let made = http1::handshake(TokioIo::new(stream)).await;
        let (sender, driver) = made.map_err(|error| FailureKind::of_http(&error))?;
        Ok(Self {
            sender,
            driver: Some(Box::pin(driver)),
            has_carried: false,
        })
    }

    /// Whether another request may go on it. Takes note of what came while nobody looked, such as its end.
    pub(crate) async fn is_ready(&mut self) -> bool {
        let Self { sender, driver, .. } = self;
        std::future::poll_fn(|cx| {
            let Some(running) = driver else {
                return Poll::Ready(false);
            };
            if running.as_mut().poll(cx).is_ready() {
                *driver = None;
                return Poll::Ready(false);
            }
            sender.poll_ready(cx).map(|ready| ready.is_ok())
        })
        .await
    }

    /// Sends a request and reads its whole answer.
    pub(crate) async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Answer, FailureKind> {
        let Self { sender, driver, .. } = self;
        let exchanged = async {
            let response = sender.send_request(request).await;
            read(response.map_err(|error| FailureKind::of_http(&error))?).await
        };
        let mut exchanged = pin!(exchanged);
        let answer = std::future::poll_fn(|cx| {
            if let Poll::Ready(answer) = exchanged.as_mut().poll(cx) {
                return Poll::Ready(answer);
            }
            if let Some(running) = driver
                && running.as_mut().poll(cx).is_ready()
            {
                *driver = None;
            }
            exchanged.as_mut().poll(cx)
        });
        let answer = answer.await?;
        self.has_carried = true;
        Ok(answer)
    }
}

async fn read(response: Response<Incoming>) -> Result<Answer, FailureKind> {
    let (head, mut body) = response.into_parts();
    let location = if head.status.is_redirection() {
        let location = head.headers.get(LOCATION);
        location.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    } else {
        None
    };
    let mut body_bytes = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| FailureKind::of_http(&error))?;
        body_bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
    }
    Ok(Answer {
        status: head.status.as_u16(),
        body_bytes,
        location,
    })
}
