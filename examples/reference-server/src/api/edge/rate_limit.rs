//! Rate limits per caller (<https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/>).

use std::net::IpAddr;
use std::time::Duration;

use axum::http::header::HeaderName;
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::response::{IntoResponse as _, Response};
use hexabase_core::ephemeral::{Allowance, Rate};
use hexabase_core::error::Error;

use super::client_address;
use super::identity::Identity;
use crate::api::problem::{ApiError, whole_seconds};
use crate::app::App;

pub(super) const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
pub(super) const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// Prefixes of the routes for sign-in. They are limited per client address, for signed-in users as well.
const SIGN_IN_ROUTES: [&str; 5] =
    ["/auth/login/", "/auth/link/", "/auth/callback/", "/auth/dev/", "/oauth2/device"];
/// Probes of the kubelet. Their reads have no limit: behind a load balancer that translates addresses, clients share the
/// address of the node with its kubelet, and could make it restart or remove the process. Their work is bounded instead.
const PROBE_ROUTES: [&str; 2] = ["/healthz", "/readyz"];
/// Routes of programs without credentials. They are limited per client address, apart from its other requests.
const OPEN_ROUTES: [&str; 2] = ["/metrics", "/webhooks/stripe"];
/// Period of the limits.
const RATE_PERIOD: Duration = Duration::from_secs(60);

/// Remaining allowance of a caller, for the response headers.
pub(super) struct RemainingAllowance {
    burst: u32,
    allowance: Allowance,
}

impl RemainingAllowance {
    /// Sets the headers `RateLimit-Policy` and `RateLimit`.
    pub(super) fn write(&self, headers: &mut HeaderMap) {
        let policy = format!("\"caller\";q={};w={}", self.burst, RATE_PERIOD.as_secs());
        let reset = whole_seconds(self.allowance.reset_after);
        let state = format!("\"caller\";r={};t={reset}", self.allowance.remaining);
        for (name, text) in [(RATELIMIT_POLICY, policy), (RATELIMIT, state)] {
            if let Ok(value) = HeaderValue::from_str(&text) {
                headers.insert(name, value);
            }
        }
    }
}

/// Allowance that a request is counted against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Limit {
    Unlimited,
    /// Of the client address, for sign-in.
    SignIn,
    /// Of the client address, for routes without credentials.
    Open,
    /// Of the user, or of the client address if the caller is anonymous.
    Caller,
}

fn limit_of(method: &Method, route: &str) -> Limit {
    if SIGN_IN_ROUTES.iter().any(|prefix| route.starts_with(prefix)) {
        Limit::SignIn
    } else if PROBE_ROUTES.contains(&route) && matches!(*method, Method::GET | Method::HEAD) {
        Limit::Unlimited
    } else if OPEN_ROUTES.contains(&route) {
        Limit::Open
    } else {
        Limit::Caller
    }
}

/// Counts a request against the allowance of its caller. `None` if no limit applies.
///
/// # Errors
/// The response to send if the allowance is used up.
pub(super) async fn take_token(
    app: &App,
    method: &Method,
    route: &str,
    identity: &Identity,
    address: Option<IpAddr>,
) -> Result<Option<RemainingAllowance>, Response> {
    let limit = limit_of(method, route);
    let burst = match limit {
        Limit::Unlimited => 0,
        Limit::SignIn => app.config.sign_ins_per_minute,
        Limit::Open | Limit::Caller => app.config.requests_per_minute,
    };
    if burst == 0 {
        return Ok(None);
    }
    let network = address.map(client_address::subscriber_network);
    let bucket = match (limit, identity) {
        (Limit::SignIn, _) => network.map(|network| format!("sign-in:{network}")),
        (Limit::Open, _) => network.map(|network| format!("open:{network}")),
        (_, Identity::Principal(principal)) => Some(format!("rate:{}", principal.user_id)),
        _ => network.map(|network| format!("rate:{network}")),
    };
    let Some(bucket) = bucket else { return Ok(None) };
    let rate = Rate { burst, period: RATE_PERIOD };
    let allowance = match app.platform.ephemeral().take_token(&bucket, rate).await {
        Ok(allowance) => allowance,
        // Metrics are needed most while a backend is unavailable, and webhooks are verified by their signature.
        Err(error) if limit == Limit::Open && error.is_retryable() => return Ok(None),
        Err(error) => return Err(ApiError::from(error).into_response()),
    };
    let remaining = RemainingAllowance { burst, allowance };
    if allowance.allowed {
        return Ok(Some(remaining));
    }
    let mut response = ApiError::from(Error::rate_limited(allowance.retry_after)).into_response();
    remaining.write(response.headers_mut());
    Err(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_reads_of_probes_are_unlimited() {
        let made_up = Method::from_bytes(b"MADEUP").unwrap();
        for (method, route, limit) in [
            (&Method::GET, "/healthz", Limit::Unlimited),
            (&Method::HEAD, "/readyz", Limit::Unlimited),
            (&made_up, "/healthz", Limit::Caller),
            (&Method::GET, "/metrics", Limit::Open),
            (&Method::POST, "/webhooks/stripe", Limit::Open),
            (&Method::GET, "/auth/login/{provider}", Limit::SignIn),
            (&Method::GET, "/api/v1/info", Limit::Caller),
            (&Method::GET, "", Limit::Caller),
        ] {
            assert_eq!(limit_of(method, route), limit, "{method} {route}");
        }
    }
}
