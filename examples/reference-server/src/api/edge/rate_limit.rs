//! Rate limits per caller (<https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/>).

use std::net::IpAddr;
use std::time::Duration;

use axum::http::header::HeaderName;
use axum::http::{HeaderMap, HeaderValue};
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
/// Routes without a limit: those of operators' tools, and the webhook, which is verified by its signature.
const UNLIMITED_ROUTES: [&str; 4] = ["/healthz", "/readyz", "/metrics", "/webhooks/stripe"];
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

/// Counts a request against the allowance of its caller: of the user, of the client address if the caller is
/// anonymous, or the separate one of the client address for sign-in. `None` if no limit applies.
///
/// # Errors
/// The response to send if the allowance is used up.
pub(super) async fn take_token(
    app: &App,
    route: &str,
    identity: &Identity,
    address: Option<IpAddr>,
) -> Result<Option<RemainingAllowance>, Response> {
    let is_sign_in = SIGN_IN_ROUTES.iter().any(|prefix| route.starts_with(prefix));
    let burst = if is_sign_in { app.config.sign_ins_per_minute } else { app.config.requests_per_minute };
    if burst == 0 || UNLIMITED_ROUTES.contains(&route) {
        return Ok(None);
    }
    let network = address.map(client_address::subscriber_network);
    let bucket = match (identity, network) {
        (_, network) if is_sign_in => network.map(|network| format!("sign-in:{network}")),
        (Identity::Principal(principal), _) => Some(format!("rate:{}", principal.user_id)),
        (_, network) => network.map(|network| format!("rate:{network}")),
    };
    let Some(bucket) = bucket else { return Ok(None) };
    let rate = Rate { burst, period: RATE_PERIOD };
    let result = app.platform.ephemeral().take_token(&bucket, rate).await;
    let allowance = result.map_err(|error| ApiError::from(error).into_response())?;
    let remaining = RemainingAllowance { burst, allowance };
    if allowance.allowed {
        return Ok(Some(remaining));
    }
    let mut response = ApiError::from(Error::rate_limited(allowance.retry_after)).into_response();
    remaining.write(response.headers_mut());
    Err(response)
}
