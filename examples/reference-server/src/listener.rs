//! Listener: accepts HTTP and HTTPS connections and shuts them down gracefully.

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

/// Maximum duration of a TLS handshake, and of receiving the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum time for requests in progress to finish when the process stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause after a failed accept, such as one without a free file descriptor.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(50);
/// First byte of a TLS handshake (RFC 8446, section 5.1). No HTTP request begins with it.
const TLS_HANDSHAKE_BYTE: u8 = 0x16;

/// Protocol of a port.
#[derive(Clone)]
pub(crate) enum ListenerProtocol {
    /// HTTP.
    Plain,
    /// HTTPS.
    Tls(TlsAcceptor),
    /// HTTPS if the client begins with a TLS handshake, and HTTP otherwise.
    Either(TlsAcceptor),
}

/// Bound port.
pub(crate) struct Listener {
    socket: TcpListener,
    /// Local address, with the assigned port if port 0 was requested.
    pub(crate) address: SocketAddr,
}

impl Listener {
    /// Binds an address.
    ///
    /// # Errors
    /// `Unavailable` if the address cannot be bound, for example because it is in use.
    pub(crate) async fn bind(address: SocketAddr) -> Result<Self> {
        let unavailable = |error: io::Error| {
            Error::unavailable(format!(
                "cannot listen on {address}: {error}; choose another address with --listen"
            ))
        };
        let socket = TcpListener::bind(address).await.map_err(unavailable)?;
        let address = socket.local_addr().map_err(unavailable)?;
        Ok(Self { socket, address })
    }

    /// Serves connections until `stopping` turns true, and then until requests in progress have finished or
    /// [`DRAIN_TIMEOUT`] has passed.
    pub(crate) async fn serve(
        self,
        router: Router,
        protocol: ListenerProtocol,
        mut stopping: watch::Receiver<bool>,
    ) {
        let open = GracefulShutdown::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                _ = stopping.wait_for(|stopping| *stopping) => break,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let (router, protocol, watcher) = (router.clone(), protocol.clone(), open.watcher());
                    tokio::spawn(async move {
                        if let Err(error) = serve_connection(stream, peer, router, protocol, watcher).await {
                            tracing::debug!(%peer, error, "connection failed");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(?error, "accept failed");
                    tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
                }
            }
        }
        drop(self.socket);
        if tokio::time::timeout(DRAIN_TIMEOUT, open.shutdown()).await.is_err() {
            tracing::warn!("shutdown timeout reached; aborting requests in progress");
        }
    }
}

type ConnectionError = Box<dyn std::error::Error + Send + Sync>;

/// Serves one connection until either side closes it.
async fn serve_connection(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    protocol: ListenerProtocol,
    watcher: Watcher,
) -> std::result::Result<(), ConnectionError> {
    stream.set_nodelay(true)?;
    let tls = match protocol {
        ListenerProtocol::Plain => None,
        ListenerProtocol::Tls(acceptor) => Some(acceptor),
        ListenerProtocol::Either(acceptor) => {
            let mut first = [0];
            tokio::time::timeout(HEAD_TIMEOUT, stream.peek(&mut first)).await??;
            (first == [TLS_HANDSHAKE_BYTE]).then_some(acceptor)
        }
    };
    match tls {
        None => serve_http(stream, peer, router, watcher).await,
        Some(acceptor) => {
            let stream = tokio::time::timeout(HEAD_TIMEOUT, acceptor.accept(stream)).await??;
            serve_http(stream, peer, router, watcher).await
        }
    }
}

async fn serve_http(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    router: Router,
    watcher: Watcher,
) -> std::result::Result<(), ConnectionError> {
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
