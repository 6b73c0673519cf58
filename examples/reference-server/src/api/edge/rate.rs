//! How much one caller may ask for (<https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/>).

use std::net::IpAddr;
use std::time::Duration;

use axum::http::header::HeaderName;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse as _, Response};
use hexabase_core::ephemeral::{Allowance, Rate};
use hexabase_core::error::Error;

use super::address;
use super::identity::Identity;
use crate::api::problem::{Refusal, whole_seconds};
use crate::app::App;

pub(super) const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
pub(super) const STATE: HeaderName = HeaderName::from_static("ratelimit");

/// The routes by which people sign in. Whoever tries, tries from somewhere: who they are does not count.
const SIGNING_IN: [&str; 5] =
    ["/auth/login/", "/auth/link/", "/auth/callback/", "/auth/dev/", "/oauth2/device"];
/// What operators' own tools ask for, and what proves by itself that it comes from whom it should.
const NOT_COUNTED: [&str; 4] = ["/healthz", "/readyz", "/metrics", "/webhooks/stripe"];
const MINUTE: Duration = Duration::from_secs(60);

/// What is left of a caller's allowance, for the answer's headers.
pub(super) struct Left {
    burst: u32,
    allowance: Allowance,
}

impl Left {
    pub(super) fn write(&self, headers: &mut HeaderMap) {
        let policy = format!("\"caller\";q={};w={}", self.burst, MINUTE.as_secs());
        let reset = whole_seconds(self.allowance.reset_after);
        let state = format!("\"caller\";r={};t={reset}", self.allowance.remaining);
        for (name, text) in [(POLICY, policy), (STATE, state)] {
            if let Ok(value) = HeaderValue::from_str(&text) {
                headers.insert(name, value);
            }
        }
    }
}

/// Takes a request out of the caller's allowance: of the user's, or of the address's while nobody knows who it is, or of
/// that for signing in.
pub(super) async fn take(
    app: &App,
    route: &str,
    identity: &Identity,
    address: Option<IpAddr>,
) -> Result<Option<Left>, Response> {
    let signs_in = SIGNING_IN.iter().any(|way| route.starts_with(way));
    let burst = if signs_in { app.entry.sign_ins_per_minute } else { app.entry.requests_per_minute };
    if burst == 0 || NOT_COUNTED.contains(&route) {
        return Ok(None);
    }
    let network = address.map(address::network);
    let bucket = match (identity, network) {
        (_, network) if signs_in => network.map(|network| format!("sign-in:{network}")),
        (Identity::Somebody(principal), _) => Some(format!("rate:{}", principal.user_id)),
        (_, network) => network.map(|network| format!("rate:{network}")),
    };
    let Some(bucket) = bucket else { return Ok(None) };
    let rate = Rate { burst, period: MINUTE };
    let taken = app.platform.ephemeral().take_token(&bucket, rate).await;
    let allowance = taken.map_err(|error| Refusal::from(error).into_response())?;
    let left = Left { burst, allowance };
    if allowance.allowed {
        return Ok(Some(left));
    }
    let mut refusal = Refusal::from(Error::rate_limited(allowance.retry_after)).into_response();
    left.write(refusal.headers_mut());
    Err(refusal)
}
