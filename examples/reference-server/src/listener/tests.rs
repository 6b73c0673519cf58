use axum::routing::get;
use futures_util::StreamExt as _;
use hexabase_auth::{Auth, AuthConfig};
use hexabase_core::Platform;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio::sync::Notify;

use super::*;
use crate::certificate::DevelopmentAuthority;
use hexabase_api::{ApiConfig, ApiState};

/// Timeout that a test reaches, and one that it never reaches.
const SHORT: Duration = Duration::from_millis(150);
const NEVER: Duration = Duration::from_secs(3_600);
/// Maximum duration of an operation that must not hang.
const HANG: Duration = Duration::from_secs(20);

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Empty SETTINGS frame (RFC 9113 section 6.5).
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
/// SETTINGS frame with an initial window of zero bytes.
const SETTINGS_WITHOUT_WINDOW: &[u8] = &[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0];
/// HEADERS frame of the first stream: `GET http://a/`, with indexed fields (RFC 7541 appendix A).
const GET: &[u8] = &[0, 0, 6, 1, 5, 0, 0, 0, 1, 0x82, 0x86, 0x84, 0x41, 1, b'a'];
/// HEADERS frame without END_HEADERS, whose continuation never comes.
const PARTIAL_HEADERS: &[u8] = &[0, 0, 1, 1, 1, 0, 0, 0, 1, 0x82];

fn config() -> ListenerConfig {
    ListenerConfig {
        connections: 100,
        connections_per_address: 100,
        shared_networks: Vec::new(),
        timeouts: Timeouts { head: NEVER, idle: NEVER, close: SHORT, keep_alive: NEVER },
    }
}

fn with_timeouts(change: impl FnOnce(&mut Timeouts)) -> ListenerConfig {
    let mut config = config();
    change(&mut config.timeouts);
    config
}

/// Running listener, stopped on drop.
struct Server {
    address: SocketAddr,
    /// Completes the response to `/event`.
    event: Arc<Notify>,
    _stop: watch::Sender<bool>,
}

impl Server {
    async fn start(protocol: ListenerProtocol, config: ListenerConfig) -> Self {
        let event = Arc::new(Notify::new());
        let sent = event.clone();
        let endless = || futures_util::stream::repeat(Ok::<_, Infallible>(vec![b'x'; 64 * 1024]));
        let router = Router::new()
            .route("/", get(async || "hello"))
            .route("/healthz", get(async || "ok"))
            .route("/endless", get(async move || Body::from_stream(endless())))
            .route(
                "/event",
                get(async move || {
                    let event = async move {
                        sent.notified().await;
                        Ok::<_, Infallible>("event")
                    };
                    Body::from_stream(futures_util::stream::once(event).boxed())
                }),
            );
        let (address, stop) = Self::serve(router, protocol, config).await;
        Self { address, event, _stop: stop }
    }

    async fn serve(
        router: Router,
        protocol: ListenerProtocol,
        config: ListenerConfig,
    ) -> (SocketAddr, watch::Sender<bool>) {
        let (stop, stopping) = watch::channel(false);
        let listener = Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0)), "--listen").await.unwrap();
        let address = listener.address;
        tokio::spawn(listener.serve(router, protocol, config, stopping));
        (address, stop)
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Connects from another address of this machine.
    async fn connect_from(&self, last: u8) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, last], 0))).unwrap();
        socket.connect(self.address).await.unwrap()
    }
}

/// Reads until the server closes the connection.
async fn until_closed(stream: &mut TcpStream) -> Vec<u8> {
    let mut received = Vec::new();
    let read = tokio::time::timeout(HANG, stream.read_to_end(&mut received)).await;
    // A reset closes the connection, too.
    drop(read.expect("the connection stays open"));
    received
}

/// Sends a request and returns the status of the response; `None` if there is none.
async fn status(mut stream: TcpStream, path: &str) -> Option<String> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    // The server may have closed the connection already.
    stream.write_all(request.as_bytes()).await.ok();
    let response = String::from_utf8(until_closed(&mut stream).await).unwrap();
    response.split(' ').nth(1).map(str::to_owned)
}

fn acceptor() -> TlsAcceptor {
    let folder = tempfile::tempdir().unwrap();
    let authority = DevelopmentAuthority::load_or_create(&folder.path().join("ca.key")).unwrap();
    authority.acceptor(IpAddr::V4(Ipv4Addr::LOCALHOST)).unwrap()
}

#[tokio::test]
async fn a_connection_without_a_complete_head_is_closed_in_every_mode() {
    // Record header of a ClientHello without the hello.
    let partial_hello: &[u8] = &[TLS_HANDSHAKE_BYTE, 3, 1, 2, 0, 1];
    let idle_http2 = [PREFACE, SETTINGS].concat();
    let partial_http2 = [PREFACE, SETTINGS, PARTIAL_HEADERS].concat();
    let http: [&[u8]; 6] = [b"", b"P", b"G", PREFACE, &idle_http2, &partial_http2];
    let tls: [&[u8]; 3] = [b"", partial_hello, b"G"];
    let acceptor = acceptor();
    for (protocol, beginnings) in [
        (ListenerProtocol::Plain, http.as_slice()),
        (ListenerProtocol::Tls(acceptor.clone()), tls.as_slice()),
        (ListenerProtocol::Either(acceptor.clone()), http.as_slice()),
        (ListenerProtocol::Either(acceptor), tls.as_slice()),
    ] {
        let server = Server::start(protocol, with_timeouts(|timeouts| timeouts.head = SHORT)).await;
        for beginning in beginnings {
            let mut stream = server.connect().await;
            stream.write_all(beginning).await.unwrap();
            until_closed(&mut stream).await;
        }
    }
}

#[tokio::test]
async fn a_head_that_arrives_byte_by_byte_has_the_same_deadline() {
    let server =
        Server::start(ListenerProtocol::Plain, with_timeouts(|timeouts| timeouts.head = SHORT)).await;
    for (beginning, part) in
        [(b"GET / HTTP/1.1\r\nx: ".to_vec(), b"x".as_slice()), ([PREFACE, SETTINGS].concat(), SETTINGS)]
    {
        let mut stream = server.connect().await;
        stream.write_all(&beginning).await.unwrap();
        let dripping = async {
            let mut received = [0; 1024];
            loop {
                match tokio::time::timeout(SHORT / 10, stream.read(&mut received)).await {
                    Ok(Ok(0) | Err(_)) => break,
                    _ if stream.write_all(part).await.is_err() => break,
                    _ => {}
                }
            }
        };
        tokio::time::timeout(HANG, dripping).await.expect("the connection stays open");
    }
}

#[tokio::test]
async fn an_idle_http2_connection_is_closed_after_its_response() {
    let server =
        Server::start(ListenerProtocol::Plain, with_timeouts(|timeouts| timeouts.idle = SHORT)).await;
    let mut stream = server.connect().await;
    stream.write_all(&[PREFACE, SETTINGS, GET].concat()).await.unwrap();
    let received = until_closed(&mut stream).await;
    assert!(received.windows(5).any(|window| window == b"hello"));
    let goaway = [7, 0, 0, 0, 0, 0];
    assert!(
        received.windows(6).any(|window| window == goaway),
        "the client must learn that the connection closes"
    );
}

#[tokio::test]
async fn a_client_that_does_not_answer_pings_is_disconnected() {
    let server =
        Server::start(ListenerProtocol::Plain, with_timeouts(|timeouts| timeouts.keep_alive = SHORT)).await;
    let mut stream = server.connect().await;
    stream.write_all(&[PREFACE, SETTINGS, GET].concat()).await.unwrap();
    until_closed(&mut stream).await;
}

#[tokio::test]
async fn a_client_that_does_not_read_its_response_is_disconnected() {
    let config = ListenerConfig { connections: 1, ..with_timeouts(|timeouts| timeouts.idle = SHORT) };
    let server = Server::start(ListenerProtocol::Plain, config).await;
    let without_window = [PREFACE, SETTINGS_WITHOUT_WINDOW, GET].concat();
    for request in [b"GET /endless HTTP/1.1\r\nhost: a\r\n\r\n".as_slice(), &without_window] {
        let mut stream = server.connect().await;
        stream.write_all(request).await.unwrap();
        let mut first = [0];
        stream.read_exact(&mut first).await.unwrap();
        // The only regular slot is free again when the connection is closed.
        let freed = async { while status(server.connect().await, "/").await.as_deref() != Some("200") {} };
        tokio::time::timeout(HANG, freed).await.expect("the connection stays open");
    }
}

#[tokio::test]
async fn a_response_without_an_end_is_not_idle() {
    let server =
        Server::start(ListenerProtocol::Plain, with_timeouts(|timeouts| timeouts.idle = SHORT)).await;
    let mut waiting = server.connect().await;
    waiting.write_all(b"GET /event HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    // Two connections that become idle after it are closed meanwhile, one after the other.
    for _ in 0..2 {
        let mut idle = server.connect().await;
        idle.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        until_closed(&mut idle).await;
    }
    server.event.notify_one();
    let received = String::from_utf8(until_closed(&mut waiting).await).unwrap();
    assert!(received.contains("event"), "{received}");
}

#[tokio::test]
async fn beyond_the_limit_only_health_checks_are_served_until_a_connection_closes() {
    let server = Server::start(ListenerProtocol::Plain, ListenerConfig { connections: 2, ..config() }).await;
    let silent = [server.connect().await, server.connect().await];
    assert_eq!(status(server.connect().await, "/").await.as_deref(), Some("503"));
    assert_eq!(status(server.connect().await, "/healthz").await.as_deref(), Some("200"));
    drop(silent);
    let freed = async { while status(server.connect().await, "/").await.as_deref() != Some("200") {} };
    tokio::time::timeout(HANG, freed).await.expect("the slot is not released");
}

#[tokio::test]
async fn silent_connections_beyond_the_limit_are_closed_and_further_ones_refused() {
    let server = Server::start(ListenerProtocol::Plain, ListenerConfig { connections: 1, ..config() }).await;
    let _regular = server.connect().await;
    let mut silent = Vec::new();
    for _ in 0..HEALTH_CHECK_CONNECTIONS.1 {
        silent.push(server.connect().await);
    }
    assert_eq!(status(server.connect().await, "/healthz").await, None, "the share of the address is used up");
    assert_eq!(status(server.connect_from(2).await, "/healthz").await.as_deref(), Some("200"));
    for mut stream in silent {
        until_closed(&mut stream).await;
    }
    assert_eq!(status(server.connect().await, "/healthz").await.as_deref(), Some("200"));
}

#[tokio::test]
async fn one_address_cannot_use_up_all_connections() {
    let shared_networks = vec!["127.0.0.3/32".parse().unwrap()];
    let config = ListenerConfig { connections_per_address: 1, shared_networks, ..config() };
    let server = Server::start(ListenerProtocol::Plain, config).await;
    let _silent = server.connect().await;
    assert_eq!(status(server.connect().await, "/").await.as_deref(), Some("503"));
    assert_eq!(status(server.connect_from(2).await, "/").await.as_deref(), Some("200"));
    let _of_proxy = [server.connect_from(3).await, server.connect_from(3).await];
    assert_eq!(status(server.connect_from(3).await, "/").await.as_deref(), Some("200"));
}

#[tokio::test]
async fn a_body_that_does_not_arrive_ends_the_request() {
    let plans = hexabase_billing::plans::built_in();
    let platform = Platform::builder("https://hexabase.example").with_plans(plans).build().unwrap();
    let auth = Auth::new(platform.clone(), Vec::new(), AuthConfig::default()).await.unwrap();
    let api_config = ApiConfig { body_timeout: SHORT, ..ApiConfig::default() };
    let api = ApiState::builder(platform, auth).with_config(api_config).build();
    let (address, _stop) = Server::serve(hexabase_api::router(api), ListenerProtocol::Plain, config()).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = b"POST /oauth2/token HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\ngrant";
    stream.write_all(head).await.unwrap();
    let response = String::from_utf8(until_closed(&mut stream).await).unwrap();
    assert!(response.starts_with("HTTP/1.1 408 ") && response.contains("body_timeout"), "{response}");
}

#[test]
fn the_limit_leaves_open_files_for_backends() {
    let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                  Max processes             31000                31000                processes \n\
                  Max open files            1024                 524288               files     \n";
    assert_eq!(parse_open_file_limit(limits), Some(1_024));
    assert_eq!(parse_open_file_limit("Max open files            unlimited   unlimited   files"), None);
    let limits = |connections, per_address, open_files| {
        let config = ListenerConfig::new(connections, per_address, open_files, &[]);
        (config.connections, config.connections_per_address)
    };
    assert_eq!(limits(None, None, None), (10_000, 2_500));
    assert_eq!(limits(None, None, Some(1_024)), (768, 192));
    assert_eq!(limits(Some(500), Some(1_000), Some(1_024)), (500, 500));
    assert_eq!(limits(Some(5_000), Some(100), Some(1_024)), (768, 100));
    assert_eq!(limits(Some(1), None, None), (1, 1));
}
