//! Where connections come in, in the clear or over TLS, and how they are let go.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::Request;
use hexabase_core::error::{Error, Result};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

/// How long a client may take to send the head of a request, or to shake hands.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long requests under way may take to finish when the process stops.
const DRAIN: Duration = Duration::from_secs(10);
/// How long to wait after a connection could not be taken, such as for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(50);
/// The first byte of a TLS handshake (RFC 8446, section 5.1); no request begins with it.
const HANDSHAKE: u8 = 0x16;

/// What is spoken on a port.
#[derive(Clone)]
pub(crate) enum Speech {
    /// HTTP.
    Plain,
    /// HTTPS.
    Tls(TlsAcceptor),
    /// Whichever the client begins with.
    Either(TlsAcceptor),
}

/// A port that is ours.
pub(crate) struct Listener {
    socket: TcpListener,
    /// Its address, with the port that was taken where any was asked for.
    pub(crate) address: SocketAddr,
}

impl Listener {
    /// Takes a port.
    ///
    /// # Errors
    /// `Unavailable` when it is not free.
    pub(crate) async fn bind(address: SocketAddr) -> Result<Self> {
        let taken = |error: io::Error| {
            Error::unavailable(format!(
                "cannot listen on {address}: {error}; --listen chooses another address"
            ))
        };
        let socket = TcpListener::bind(address).await.map_err(taken)?;
        let address = socket.local_addr().map_err(taken)?;
        Ok(Self { socket, address })
    }

    /// Answers until `stopping` turns true, and then until requests under way are finished or [`DRAIN`] is over.
    pub(crate) async fn serve(self, router: Router, speech: Speech, mut stopping: watch::Receiver<bool>) {
        let open = GracefulShutdown::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                _ = stopping.wait_for(|stopping| *stopping) => break,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let (router, speech, watcher) = (router.clone(), speech.clone(), open.watcher());
                    tokio::spawn(async move {
                        if let Err(error) = converse(stream, peer, router, speech, watcher).await {
                            tracing::debug!(%peer, error, "a connection broke off");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(?error, "a connection could not be taken");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        drop(self.socket);
        if tokio::time::timeout(DRAIN, open.shutdown()).await.is_err() {
            tracing::warn!("some requests did not finish in time and were cut off");
        }
    }
}

type Broken = Box<dyn std::error::Error + Send + Sync>;

/// Talks with one client until it goes.
async fn converse(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    speech: Speech,
    watcher: Watcher,
) -> std::result::Result<(), Broken> {
    stream.set_nodelay(true)?;
    let tls = match speech {
        Speech::Plain => None,
        Speech::Tls(acceptor) => Some(acceptor),
        Speech::Either(acceptor) => {
            let mut first = [0];
            tokio::time::timeout(HEAD_TIMEOUT, stream.peek(&mut first)).await??;
            (first == [HANDSHAKE]).then_some(acceptor)
        }
    };
    match tls {
        None => answer(stream, peer, router, watcher).await,
        Some(acceptor) => {
            let stream = tokio::time::timeout(HEAD_TIMEOUT, acceptor.accept(stream)).await??;
            answer(stream, peer, router, watcher).await
        }
    }
}

async fn answer(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    router: Router,
    watcher: Watcher,
) -> std::result::Result<(), Broken> {
    let service = tower::service_fn(move |mut request: Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        let router = router.clone();
        async move { Ok::<_, Infallible>(router.oneshot(request).await.unwrap_or_else(|never| match never {})) }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(256);
    let connection =
        builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service)).into_owned();
    watcher.watch(connection).await
}
