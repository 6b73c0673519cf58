//! Rate limits per caller (<https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/>).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, HeaderName};
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hexabase_core::Platform;
use hexabase_core::ephemeral::{Allowance, Rate};
use hexabase_core::error::Error;
use serde::Deserialize;

use super::body_limit::BufferedBody;
use super::client_address::{ClientAddress, subscriber_network};
use super::credentials::Identity;
use super::request_context::RequestContext;
use crate::problem::{ApiError, whole_seconds};
use crate::state::ApiConfig;
use crate::webhooks;

pub(super) const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
pub(super) const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// Prefixes of the routes for sign-in. They are limited per client address, for signed-in users as well.
const SIGN_IN_ROUTES: [&str; 6] =
    ["/auth/login/", "/auth/link/", "/auth/callback/", "/auth/dev/", "/oauth2/device", "/invitations"];
/// Probes of the kubelet. Their reads have no limit: behind a load balancer that translates addresses, clients share the
/// address of the node with its kubelet, and could make it restart or remove the process. Their work is bounded instead.
const PROBE_ROUTES: [&str; 2] = ["/healthz", "/readyz"];
/// Routes of a program without credentials. They are limited per client address, apart from its other requests, as are
/// the webhooks of the payment provider.
const OPEN_ROUTES: [&str; 2] = ["/metrics", "/metrics/alert-rules"];
/// Metrics of tenant API servers. A Prometheus reads those of all workspaces from one address; their work is bounded
/// instead.
const SCRAPED_ROUTES: [&str; 1] = ["/metrics/workspaces/{workspace}"];
/// Documents that API servers need to verify tokens. They have no limit, as they are the same for all callers and all control
/// planes of a host cluster read them from one address.
const KEY_ROUTES: [&str; 2] = ["/.well-known/openid-configuration", "/.well-known/jwks.json"];
/// Routes that OAuth clients call. They are limited per client and network.
const CLIENT_ROUTES: [&str; 3] = ["/oauth2/token", "/oauth2/revoke", "/oauth2/introspect"];
/// Limit of the requests of unproven clients from one network, as a multiple of the limit of a caller.
const UNPROVEN_CLIENTS_FACTOR: u32 = 10;
/// Maximum number of proven clients that a process remembers.
const PROVEN_CLIENTS_CAPACITY: usize = 10_000;
/// Maximum length of a client id that can be proven, in bytes.
const MAX_CLIENT_ID_BYTES: usize = 256;
/// Period of the limits.
const RATE_PERIOD: Duration = Duration::from_secs(60);

/// Sets the headers `RateLimit-Policy` and `RateLimit`.
fn write_allowance(burst: u32, allowance: &Allowance, headers: &mut HeaderMap) {
    let policy = format!("\"caller\";q={burst};w={}", RATE_PERIOD.as_secs());
    let reset = whole_seconds(allowance.reset_after);
    let state = format!("\"caller\";r={};t={reset}", allowance.remaining);
    for (name, text) in [(RATELIMIT_POLICY, policy), (RATELIMIT, state)] {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(name, value);
        }
    }
}

/// Allowance that a request is counted against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    /// No limit.
    Unlimited,
    /// Of the client address, for sign-in.
    SignIn,
    /// Of the client address, for routes without credentials.
    Open,
    /// Of the OAuth client; see [`limit_clients`].
    Client,
    /// Of the user, or of the client address if the caller is anonymous.
    Caller,
}

impl Limit {
    /// Returns the limit of a request. `is_webhook` is `true` for the route of the payment provider's webhooks.
    pub(super) fn of(method: &Method, route: &str, is_webhook: bool) -> Self {
        let is_read = matches!(*method, Method::GET | Method::HEAD);
        if SIGN_IN_ROUTES.iter().any(|prefix| route.starts_with(prefix)) {
            Self::SignIn
        } else if is_read
            && [&PROBE_ROUTES[..], &KEY_ROUTES, &SCRAPED_ROUTES].iter().any(|it| it.contains(&route))
        {
            Self::Unlimited
        } else if OPEN_ROUTES.contains(&route) || is_webhook {
            Self::Open
        } else if CLIENT_ROUTES.contains(&route) {
            Self::Client
        } else {
            Self::Caller
        }
    }
}

/// Middleware that counts a request against the allowance of its caller, and rejects it if that is used up. The response
/// has the headers `RateLimit-Policy` and `RateLimit`.
pub async fn limit_requests(
    State(platform): State<Platform>,
    State(config): State<Arc<ApiConfig>>,
    request: Request,
    next: Next,
) -> Response {
    let route = &RequestContext::of(request.extensions()).route;
    let limit = Limit::of(request.method(), route, webhooks::is_route(&platform, route));
    let network = ClientAddress::of(&request).map(subscriber_network);
    let bucket = match (limit, request.extensions().get::<Identity>()) {
        (Limit::Unlimited | Limit::Client, _) => None,
        (Limit::SignIn, _) => network.map(|network| format!("sign-in:{network}")),
        (Limit::Open, _) => network.map(|network| format!("open:{network}")),
        (Limit::Caller, Some(Identity::Principal(principal))) => Some(format!("rate:{}", principal.user_id)),
        (Limit::Caller, _) => network.map(|network| format!("rate:{network}")),
    };
    let Some(bucket) = bucket else { return next.run(request).await };
    let burst = match limit {
        Limit::SignIn => config.sign_ins_per_minute,
        _ => config.requests_per_minute,
    };
    run_within(&platform, &bucket, burst, next.run(request)).await
}

/// Middleware that counts the request of an OAuth client that [`limit_requests`] does not count, since the body names
/// the client. It needs the body that [`limit_body`](super::limit_body) has read.
///
/// The bucket of a proven client is its own in each network: neither other networks nor other clients in its network use
/// it up. All other clients of a network share one larger bucket, so that made-up client ids give no additional requests.
pub async fn limit_clients(
    State(platform): State<Platform>,
    State(config): State<Arc<ApiConfig>>,
    State(proven): State<Arc<ProvenClients>>,
    request: Request,
    next: Next,
) -> Response {
    let route = &RequestContext::of(request.extensions()).route;
    let network = ClientAddress::of(&request).map(subscriber_network);
    let (Limit::Client, Some(network)) = (Limit::of(request.method(), route, false), network) else {
        return next.run(request).await;
    };
    let form = request.extensions().get::<BufferedBody>().map(|body| &*body.0).unwrap_or_default();
    let authorization = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let client = named_client(authorization, form);
    let client = client.map(|client| ClientInNetwork { network: network.clone(), client });
    let burst = config.requests_per_minute;
    let (bucket, burst) = match client.as_ref().filter(|client| proven.0.get(*client).is_some()) {
        Some(client) => (format!("client:{network}:{}", client.client), burst),
        None => (format!("clients:{network}"), burst.saturating_mul(UNPROVEN_CLIENTS_FACTOR)),
    };
    let response = run_within(&platform, &bucket, burst, next.run(request)).await;
    if let Some(client) = client.filter(|_| response.status().is_success()) {
        proven.0.insert(client, ());
    }
    response
}

/// Takes one token from a bucket and processes the request, or rejects it. Nothing is limited if `burst` is zero.
async fn run_within(
    platform: &Platform,
    bucket: &str,
    burst: u32,
    process: impl Future<Output = Response>,
) -> Response {
    if burst == 0 {
        return process.await;
    }
    let rate = Rate { burst, period: RATE_PERIOD };
    let allowance = match platform.ephemeral().take_token(bucket, rate).await {
        Ok(allowance) => allowance,
        Err(error) => return ApiError::from(error).into_response(),
    };
    let mut response = match allowance.allowed {
        true => process.await,
        false => ApiError::from(Error::rate_limited(allowance.retry_after)).into_response(),
    };
    write_allowance(burst, &allowance, response.headers_mut());
    response
}

/// OAuth client that a request names, in the network that the request comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct ClientInNetwork {
    network: String,
    client: String,
}

/// Clients whose requests have succeeded, by the network of the request. Any caller can name any client, so a client is
/// proven only by a successful request. A process forgets the least recent ones.
pub struct ProvenClients(quick_cache::sync::Cache<ClientInNetwork, ()>);

impl fmt::Debug for ProvenClients {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "ProvenClients({})", self.0.len())
    }
}

impl Default for ProvenClients {
    fn default() -> Self {
        Self(quick_cache::sync::Cache::new(PROVEN_CLIENTS_CAPACITY))
    }
}

/// Returns the id of the client that a request names, without verification: in its credentials, in `client_id`, or, for
/// a token exchange without a client, in `audience`. The endpoint itself authenticates the client.
fn named_client(authorization: Option<&str>, form: &[u8]) -> Option<String> {
    let value = |name: &str| {
        let mut pairs = form_urlencoded::parse(form);
        pairs.find(|(found, value)| found == name && !value.is_empty()).map(|(_, value)| value.into_owned())
    };
    let client = authorization
        .and_then(basic_client)
        .or_else(|| value("client_id"))
        .or_else(|| value("client_assertion").and_then(|assertion| assertion_subject(&assertion)))
        .or_else(|| value("audience"));
    client.filter(|client| client.len() <= MAX_CLIENT_ID_BYTES)
}

/// Returns the client id in an `Authorization` header with the scheme Basic (RFC 6749 section 2.3.1).
fn basic_client(authorization: &str) -> Option<String> {
    let (_, credentials) =
        authorization.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"))?;
    let decoded = STANDARD.decode(credentials.trim()).ok()?;
    let id = decoded.split(|byte| *byte == b':').next()?;
    form_urlencoded::parse(id).next().map(|(id, _)| id.into_owned())
}

/// Returns the subject of a client assertion (RFC 7523), without verification.
fn assertion_subject(assertion: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Subject {
        sub: String,
    }
    let payload = URL_SAFE_NO_PAD.decode(assertion.split('.').nth(1)?).ok()?;
    serde_json::from_slice::<Subject>(&payload).ok().map(|claims| claims.sub)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_has_its_limit() {
        let made_up = Method::from_bytes(b"MADEUP").unwrap();
        let (get, post) = (Method::GET, Method::POST);
        for (method, route, limit) in [
            (&get, "/healthz", Limit::Unlimited),
            (&Method::HEAD, "/readyz", Limit::Unlimited),
            (&made_up, "/healthz", Limit::Caller),
            (&get, "/.well-known/jwks.json", Limit::Unlimited),
            (&get, "/.well-known/openid-configuration", Limit::Unlimited),
            (&get, "/metrics/workspaces/{workspace}", Limit::Unlimited),
            (&get, "/metrics", Limit::Open),
            (&get, "/metrics/alert-rules", Limit::Open),
            (&post, "/oauth2/token", Limit::Client),
            (&post, "/oauth2/revoke", Limit::Client),
            (&post, "/oauth2/introspect", Limit::Client),
            (&post, "/oauth2/device_authorization", Limit::SignIn),
            (&get, "/oauth2/device", Limit::SignIn),
            (&post, "/invitations", Limit::SignIn),
            (&post, "/api/v1/invitations/accept", Limit::Caller),
            (&get, "/auth/login/{provider}", Limit::SignIn),
            (&get, "/auth/callback/{provider}", Limit::SignIn),
            (&get, "/oauth2/userinfo", Limit::Caller),
            (&get, "/api/v1/organizations", Limit::Caller),
            (&get, "", Limit::Caller),
        ] {
            assert_eq!(Limit::of(method, route, false), limit, "{method} {route}");
        }
        assert_eq!(Limit::of(&post, "/webhooks/payments", true), Limit::Open);
    }

    #[test]
    fn the_named_client_is_found_in_every_form_of_client_authentication() {
        let named = |authorization: Option<&str>, form: &str| named_client(authorization, form.as_bytes());
        let basic = |text: &str| format!("basic {}", STANDARD.encode(text));
        assert_eq!(named(Some(&basic("a%3Ab+c:secret")), "client_id=other").as_deref(), Some("a:b c"));
        assert_eq!(named(None, "grant_type=x&client_id=ws_1").as_deref(), Some("ws_1"));
        let assertion = format!("e30.{}.e30", URL_SAFE_NO_PAD.encode(r#"{"sub":"argo","iss":"x"}"#));
        assert_eq!(named(None, &format!("client_assertion={assertion}")).as_deref(), Some("argo"));
        assert_eq!(named(None, "audience=ws_2").as_deref(), Some("ws_2"));
        for (authorization, form) in [
            (None, String::new()),
            (None, "client_id=".to_owned()),
            (Some("Bearer token"), "token=x".to_owned()),
            (Some("Basic %"), "client_assertion=a.b".to_owned()),
            (None, format!("client_id={}", "x".repeat(MAX_CLIENT_ID_BYTES + 1))),
        ] {
            assert_eq!(named(authorization, &form), None, "{form}");
        }
    }
}
