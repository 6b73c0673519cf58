//! Listener: accepts HTTP and HTTPS connections, bounds their number and the time that they may be silent, and shuts
//! them down gracefully.

mod activity;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::header::{CONNECTION, RETRY_AFTER};
use axum::http::{HeaderValue, Request, StatusCode, Version};
use axum::response::{IntoResponse as _, Response};
use hexabase_core::error::{Error, Result};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use activity::Activity;
use hexabase_api::budget::{Budget, Exhausted, Reservation};
use hexabase_api::layers::subscriber_network;

use crate::telemetry::REJECTED_CONNECTIONS;

/// Maximum time for requests in progress to finish when the process stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause after a failed accept, such as one without a free file descriptor.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(50);
/// First byte of a TLS handshake (RFC 8446, section 5.1). No HTTP request begins with it.
const TLS_HANDSHAKE_BYTE: u8 = 0x16;
/// Maximum size of the head of an HTTP/1 request, in bytes.
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// Maximum number of concurrent requests of an HTTP/2 connection.
const MAX_STREAMS: u32 = 128;
/// Maximum number of received bytes of an HTTP/2 stream, and of a whole connection, that no request has read yet.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 256 * 1024;
/// Maximum number of connections beyond the limits, which are only for health checks, and the share of a network.
const HEALTH_CHECK_CONNECTIONS: (usize, usize) = (32, 4);
/// Paths that are served on connections beyond the limits.
const HEALTH_CHECK_PATHS: [&str; 2] = ["/healthz", "/readyz"];

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

/// Limits of a listener.
#[derive(Debug, Clone)]
pub(crate) struct ListenerConfig {
    /// Maximum number of connections.
    pub(crate) connections: usize,
    /// Maximum number of connections from one client address: an IPv4 address or a /64 network of IPv6.
    pub(crate) connections_per_address: usize,
    /// Networks without a maximum per address: those of reverse proxies, whose connections are for many clients.
    pub(crate) shared_networks: Vec<IpNet>,
    /// Timeouts of connections.
    pub(crate) timeouts: Timeouts,
}

/// Timeouts of connections.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timeouts {
    /// Maximum duration of a TLS handshake, and from there to the complete head of the first request. Also of receiving
    /// the head of each further HTTP/1 request.
    pub(crate) head: Duration,
    /// Maximum time in which a client neither sends the next request nor reads its response.
    pub(crate) idle: Duration,
    /// Maximum time for a client to answer the announcement that its idle connection closes.
    pub(crate) close: Duration,
    /// Interval of HTTP/2 keep-alive pings, and maximum time for a client to answer one.
    pub(crate) keep_alive: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            idle: Duration::from_secs(60),
            close: Duration::from_secs(5),
            keep_alive: Duration::from_secs(20),
        }
    }
}

impl Timeouts {
    /// Returns the timeouts of a connection beyond the limits.
    fn of_health_check(self) -> Self {
        let short = Duration::from_secs(1).min(self.head);
        Self { head: short, idle: short, close: short, ..self }
    }
}

impl ListenerConfig {
    /// Default of the maximum number of connections.
    const CONNECTIONS: usize = 10_000;

    /// Returns the limits of a process: the requested ones, within the number of files that it may open. Connections may
    /// use three quarters of them, because connections to backends need some, too. Without a request one address gets a
    /// quarter of all connections.
    pub(crate) fn new(
        connections: Option<usize>,
        per_address: Option<usize>,
        open_files: Option<usize>,
        trusted_proxies: &[IpNet],
    ) -> Self {
        let wanted = connections.unwrap_or(Self::CONNECTIONS);
        let connections = wanted.min(open_files.map_or(wanted, |files| files / 4 * 3)).max(1);
        let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)].map(IpNet::from);
        Self {
            connections,
            connections_per_address: per_address.unwrap_or(connections / 4).clamp(1, connections),
            shared_networks: trusted_proxies.iter().copied().chain(loopback).collect(),
            timeouts: Timeouts::default(),
        }
    }
}

/// Returns the maximum number of files that this process may open; `None` if it is unknown.
pub(crate) fn open_file_limit() -> Option<usize> {
    parse_open_file_limit(&std::fs::read_to_string("/proc/self/limits").ok()?)
}

/// Returns the soft limit of open files in the format of `/proc/self/limits` (proc(5)).
fn parse_open_file_limit(limits: &str) -> Option<usize> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Bound port.
pub(crate) struct Listener {
    socket: TcpListener,
    /// Local address, with the assigned port if port 0 was requested.
    pub(crate) address: SocketAddr,
}

impl Listener {
    /// Binds an address, the value of the option `option`.
    ///
    /// # Errors
    /// `Unavailable` if the address cannot be bound, for example because it is in use.
    pub(crate) async fn bind(address: SocketAddr, option: &str) -> Result<Self> {
        let unavailable = |error: io::Error| {
            Error::unavailable(format!(
                "cannot listen on {address}: {error}; choose another address with {option}"
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
        config: ListenerConfig,
        mut stopping: watch::Receiver<bool>,
    ) {
        let slots = Slots::new(config);
        // Closed when every connection has dropped its sender.
        let (open, mut all_closed) = mpsc::channel::<Infallible>(1);
        loop {
            let accepted = tokio::select! {
                accepted = self.socket.accept() => accepted,
                _ = stopping.wait_for(|stopping| *stopping) => break,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let Some(slot) = slots.assign(peer.ip()) else { continue };
                    let connection = Connection {
                        peer,
                        router: router.clone(),
                        timeouts: slot.timeouts,
                        only_health_checks: slot.only_health_checks,
                        stopping: stopping.clone(),
                    };
                    let (protocol, open) = (protocol.clone(), open.clone());
                    tokio::spawn(async move {
                        if let Err(error) = connection.serve(stream, protocol).await {
                            tracing::debug!(%peer, error, "connection failed");
                        }
                        drop((slot, open));
                    });
                }
                Err(error) => {
                    tracing::warn!(?error, "accept failed");
                    tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
                }
            }
        }
        drop((self.socket, open));
        if tokio::time::timeout(DRAIN_TIMEOUT, all_closed.recv()).await.is_err() {
            tracing::warn!("shutdown timeout reached; aborting requests in progress");
        }
    }
}

/// Slots for connections.
struct Slots {
    config: ListenerConfig,
    regular: Arc<Budget>,
    health_checks: Arc<Budget>,
}

/// Slot of a connection, released on drop.
struct Slot {
    timeouts: Timeouts,
    only_health_checks: bool,
    _reservation: Reservation,
}

impl Slots {
    fn new(config: ListenerConfig) -> Self {
        let (total, share) = HEALTH_CHECK_CONNECTIONS;
        Self {
            regular: Budget::new(config.connections, config.connections_per_address),
            health_checks: Budget::new(total, share),
            config,
        }
    }

    /// Assigns a slot to a connection. Beyond the limits it is one for health checks only, so that an exhausted process
    /// is not mistaken for a dead one; `None` if there is none of these either.
    fn assign(&self, peer: IpAddr) -> Option<Slot> {
        let peer = peer.to_canonical();
        let is_shared = self.config.shared_networks.iter().any(|network| network.contains(&peer));
        let network = (!is_shared).then(|| subscriber_network(peer));
        let timeouts = self.config.timeouts;
        let exhausted = match self.regular.reserve(network.clone(), 1) {
            Ok(reservation) => {
                return Some(Slot { timeouts, only_health_checks: false, _reservation: reservation });
            }
            Err(exhausted) => exhausted,
        };
        let reason = match exhausted {
            Exhausted::Total => "total",
            Exhausted::Share => "address",
        };
        metrics::counter!(REJECTED_CONNECTIONS, "reason" => reason).increment(1);
        tracing::debug!(%peer, reason, "connection limit reached; only health checks are served");
        let reservation = self.health_checks.reserve(network, 1).ok()?;
        let timeouts = timeouts.of_health_check();
        Some(Slot { timeouts, only_health_checks: true, _reservation: reservation })
    }
}

type ConnectionError = Box<dyn std::error::Error + Send + Sync>;

/// Accepted connection.
struct Connection {
    peer: SocketAddr,
    router: Router,
    timeouts: Timeouts,
    only_health_checks: bool,
    stopping: watch::Receiver<bool>,
}

impl Connection {
    /// Serves the connection until either side closes it.
    async fn serve(
        self,
        stream: TcpStream,
        protocol: ListenerProtocol,
    ) -> std::result::Result<(), ConnectionError> {
        stream.set_nodelay(true)?;
        let timeout = self.timeouts.head;
        let tls = match protocol {
            ListenerProtocol::Plain => None,
            ListenerProtocol::Tls(acceptor) => Some(acceptor),
            ListenerProtocol::Either(acceptor) => {
                let mut first = [0];
                tokio::time::timeout(timeout, stream.peek(&mut first)).await??;
                (first == [TLS_HANDSHAKE_BYTE]).then_some(acceptor)
            }
        };
        match tls {
            None => self.serve_http(stream).await,
            Some(acceptor) => {
                let stream = tokio::time::timeout(timeout, acceptor.accept(stream)).await??;
                self.serve_http(stream).await
            }
        }
    }

    async fn serve_http(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> std::result::Result<(), ConnectionError> {
        let Self { peer, router, timeouts, only_health_checks, mut stopping } = self;
        let activity = Activity::new();
        let service = tower::service_fn({
            let activity = activity.clone();
            move |mut request: Request<hyper::body::Incoming>| {
                let work = activity.begin();
                request.extensions_mut().insert(ConnectInfo(peer));
                let router = router.clone();
                async move {
                    let response = if only_health_checks && !is_health_check(&request) {
                        limit_reached(request.version())
                    } else {
                        router.oneshot(request).await.unwrap_or_else(|never| match never {})
                    };
                    Ok::<_, Infallible>(response.map(|body| work.follow(body)))
                }
            }
        });
        let builder = http_builder(timeouts);
        let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
        let mut connection = std::pin::pin!(connection);
        let (mut is_stopping, mut closes_at) = (false, None);
        loop {
            let close = async {
                match closes_at {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => activity.silence(timeouts.head, timeouts.idle).await,
                }
            };
            tokio::select! {
                finished = connection.as_mut() => return finished,
                _ = stopping.wait_for(|stopping| *stopping), if !is_stopping => is_stopping = true,
                () = close => {
                    // A client that has never sent a request has nothing to lose.
                    if closes_at.is_some() || !activity.has_begun() {
                        return Err("the client was silent for too long".into());
                    }
                    closes_at = Some(tokio::time::Instant::now() + timeouts.close);
                }
            }
            connection.as_mut().graceful_shutdown();
        }
    }
}

/// Returns the builder of HTTP connections. Its own timeout covers the head of an HTTP/1 request only: neither the bytes
/// that decide on the protocol nor HTTP/2, which [`Activity::silence`] covers.
fn http_builder(timeouts: Timeouts) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(timeouts.head).max_buf_size(MAX_HEAD_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(timeouts.keep_alive)
        .keep_alive_timeout(timeouts.keep_alive)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(MAX_STREAMS);
    builder
}

fn is_health_check<B>(request: &Request<B>) -> bool {
    HEALTH_CHECK_PATHS.contains(&request.uri().path())
}

/// Response to a request on a connection beyond the limits.
fn limit_reached(version: Version) -> Response<Body> {
    let mut response = (StatusCode::SERVICE_UNAVAILABLE, [(RETRY_AFTER, "1")]).into_response();
    // HTTP/2 has no such header (RFC 9113 section 8.2.2).
    if version < Version::HTTP_2 {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
