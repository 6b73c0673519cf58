//! Shared setup of the fuzz targets. Everything that an input does not determine is created once per process.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::OnceLock;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hexabase_auth::{Auth, AuthConfig, DevProvider, TokenPair};
use hexabase_core::Platform;
use hexabase_core::model::Origin;
use hexabase_core::name::{Email, ProviderName};
use hexabase_api::{ApiConfig, ApiState, router};
use http::header::AUTHORIZATION;
use http::{HeaderName, HeaderValue, Method, Request, StatusCode};
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

/// Public URL of the platform under test.
pub const URL: &str = "https://hexabase.example";

/// Runs a future on the runtime of the process.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let build = || tokio::runtime::Builder::new_current_thread().enable_all().build();
    RUNTIME.get_or_init(|| build().expect("a runtime can be built")).block_on(future)
}

/// Creates a platform in memory.
pub fn platform() -> Platform {
    let plans = hexabase_billing::plans::built_in();
    Platform::builder(URL).with_plans(plans).build().expect("the default configuration is valid")
}

/// Creates the authentication of a platform in memory.
pub fn auth() -> Auth {
    block_on(Auth::new(platform(), Vec::new(), AuthConfig::default())).expect("memory backends do not fail")
}

/// Signs a user in.
pub fn sign_in(auth: &Auth) -> TokenPair {
    let identity = DevProvider::identity(&Email::parse("ann@example.com").expect("is an address"), None);
    let provider = ProviderName::parse("dev").expect("is a name");
    block_on(auth.sign_in().with_identity(&provider, &identity, &Origin::default()))
        .expect("memory backends do not fail")
}

/// Valid UTF-8 of an input.
pub fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok()
}

/// Splits the first byte off, which selects one of several forms of an input.
pub fn selector(data: &[u8]) -> Option<(usize, &[u8])> {
    data.split_first().map(|(first, rest)| (usize::from(*first), rest))
}

/// Splits an input at its first line feed.
pub fn two_parts(data: &[u8]) -> (&[u8], &[u8]) {
    match data.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&data[..end], &data[end + 1..]),
        None => (data, &[]),
    }
}

/// Changes a valid text: each pair of bytes is a position and the character to write there, and an odd byte at the end
/// the length to cut the text to.
pub fn edited(valid: &str, edits: &[u8]) -> String {
    let mut text = valid.as_bytes().to_vec();
    for edit in edits.chunks(2) {
        match *edit {
            [position, character] => {
                let position = usize::from(position) * text.len() / 256;
                if let Some(byte) = text.get_mut(position) {
                    *byte = character & 0x7f;
                }
            }
            [length] => text.truncate(usize::from(length) * text.len() / 255),
            _ => {}
        }
    }
    String::from_utf8(text).unwrap_or_default()
}

/// HTTP API of a platform in memory, without limits of requests, and behind trusted proxies in 10.0.0.0/8.
pub struct Server {
    router: Router,
    /// Platform behind the API.
    pub platform: Platform,
    /// Access token of the owner of the organization.
    token: HeaderValue,
    /// Path of the organization of the user.
    pub organization: String,
}

impl Server {
    /// Server of the process.
    pub fn get() -> &'static Self {
        static SERVER: OnceLock<Server> = OnceLock::new();
        SERVER.get_or_init(Self::new)
    }

    fn new() -> Self {
        let auth = auth();
        let token = format!("Bearer {}", sign_in(&auth).access_token);
        let platform = auth.platform().clone();
        let config = ApiConfig {
            requests_per_minute: 0,
            sign_ins_per_minute: 0,
            trusted_proxies: vec!["10.0.0.0/8".parse().expect("is a network")],
            ..ApiConfig::default()
        };
        let state = ApiState::builder(platform.clone(), auth).with_config(config).build();
        let mut server = Self {
            router: router(state),
            platform,
            token: HeaderValue::from_str(&token).expect("is a header value"),
            organization: String::new(),
        };
        server.organization = server.created_organization();
        server
    }

    fn created_organization(&self) -> String {
        let body = r#"{"name":"acme","display_name":"Acme"}"#;
        let request = self.request(Method::POST, "/api/v1/organizations", true, &[], body.as_bytes());
        let bytes = block_on(async {
            let request = request.expect("is a request");
            let response = self.router.clone().oneshot(request).await.unwrap_or_default();
            axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap_or_default()
        });
        let created: serde_json::Value = serde_json::from_slice(&bytes).expect("the response is JSON");
        format!("/api/v1/organizations/{}", created["id"].as_str().expect("the organization is created"))
    }

    /// Creates a request from a proxy; `None` if HTTP cannot express it.
    fn request(
        &self,
        method: Method,
        path: &str,
        signed_in: bool,
        headers: &[(HeaderName, &[u8])],
        body: &[u8],
    ) -> Option<Request<Body>> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(name, HeaderValue::from_bytes(value).ok()?);
        }
        if !headers.iter().any(|(name, _)| name == http::header::CONTENT_TYPE) {
            request = request.header(http::header::CONTENT_TYPE, "application/json");
        }
        if signed_in {
            request = request.header(AUTHORIZATION, self.token.clone());
        }
        let mut request = request.body(Body::from(body.to_vec())).ok()?;
        let proxy = SocketAddr::from((Ipv4Addr::new(10, 0, 0, 1), 443));
        request.extensions_mut().insert(ConnectInfo(proxy));
        Some(request)
    }

    /// Sends a request, and panics if the server fails. The body of the response is dropped unread.
    pub fn send(
        &self,
        method: Method,
        path: &str,
        signed_in: bool,
        headers: &[(HeaderName, &[u8])],
        body: &[u8],
    ) -> Option<StatusCode> {
        let request = self.request(method, path, signed_in, headers, body)?;
        let status = block_on(self.router.clone().oneshot(request)).unwrap_or_default().status();
        // 503 is the answer of a limit, such as that of device authorizations.
        let failed = status.is_server_error() && status != StatusCode::SERVICE_UNAVAILABLE;
        assert!(!failed, "{status}");
        Some(status)
    }
}
