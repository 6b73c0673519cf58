//! Request bodies: size limits, read deadline, and budgets of the bytes in memory.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use hexabase_core::Platform;
use hexabase_core::error::Error;
use http_body_util::BodyExt as _;

use super::client_address::{ClientAddress, subscriber_network};
use super::credentials::Identity;
use super::request_context::RequestContext;
use crate::budget::{Budget, Reservation};
use crate::problem::ApiError;
use crate::state::ApiConfig;
use crate::webhooks;

/// Maximum size of the body of an authenticated caller, in bytes.
const MAX_BODY_BYTES: usize = 1024 * 1024;
/// Maximum size of a body without credentials, in bytes. Such bodies are forms and tokens.
const MAX_ANONYMOUS_BODY_BYTES: usize = 64 * 1024;
/// Default of the maximum duration of receiving a body.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(15);

/// Budgets of the bytes of request bodies in the memory of the process. Callers without credentials cannot use up the
/// budget of the others.
#[derive(Debug)]
pub struct BodyBudgets {
    anonymous: Arc<Budget>,
    authenticated: Arc<Budget>,
}

impl Default for BodyBudgets {
    fn default() -> Self {
        const MIB: usize = 1024 * 1024;
        Self { anonymous: Budget::new(16 * MIB, 2 * MIB), authenticated: Budget::new(128 * MIB, 16 * MIB) }
    }
}

/// Limits of the body of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
struct BodyLimits {
    max_bytes: usize,
    is_authenticated: bool,
    /// Caller whose share of the budget is used: the user or the network; `None` if unknown.
    caller: Option<String>,
}

impl BodyLimits {
    /// Returns the limits of a request. One to a signed route has a signature as its credential, so its body can be as
    /// large as one with other credentials.
    fn of(is_signed_route: bool, identity: &Identity, address: Option<IpAddr>) -> Self {
        match identity {
            Identity::Principal(principal) => Self {
                max_bytes: MAX_BODY_BYTES,
                is_authenticated: true,
                caller: Some(principal.user_id.to_string()),
            },
            Identity::Anonymous | Identity::Unchecked(..) | Identity::Rejected(_) => Self {
                max_bytes: if is_signed_route { MAX_BODY_BYTES } else { MAX_ANONYMOUS_BODY_BYTES },
                is_authenticated: false,
                caller: address.map(subscriber_network),
            },
        }
    }
}

/// Body of a request, for layers that need it before the handler.
#[derive(Debug, Clone)]
pub(super) struct BufferedBody(pub(super) Bytes);

/// Middleware that reads the body of a request: at most 1 MiB, or 64 KiB without credentials or a signature, within
/// [`ApiConfig::body_timeout`], and within the budget of the process and of the caller. The body counts until its request
/// is processed.
pub async fn limit_body(
    State(platform): State<Platform>,
    State(config): State<Arc<ApiConfig>>,
    State(budgets): State<Arc<BodyBudgets>>,
    request: Request,
    next: Next,
) -> Response {
    let identity = Identity::of(&request);
    let route = &RequestContext::of(request.extensions()).route;
    let is_signed = webhooks::is_route(&platform, route);
    let limits = BodyLimits::of(is_signed, &identity, ClientAddress::of(&request));
    let (mut parts, body) = request.into_parts();
    let (bytes, _reservation) = match read(&budgets, config.body_timeout, body, limits).await {
        Ok(read) => read,
        // A caller with expired credentials has to learn that first, to renew them.
        Err(error) => match identity {
            Identity::Rejected(rejection) => return rejection.into_response(),
            _ => return error.into_response(),
        },
    };
    parts.extensions.insert(BufferedBody(bytes.clone()));
    next.run(Request::from_parts(parts, Body::from(bytes))).await
}

/// Reads a body. Its bytes are counted when they arrive, so that an announced length costs others nothing, and until
/// the returned reservation is dropped.
async fn read(
    budgets: &BodyBudgets,
    timeout: Duration,
    body: Body,
    limits: BodyLimits,
) -> Result<(Bytes, Option<Reservation>), ApiError> {
    if body.size_hint().lower() > limits.max_bytes as u64 {
        return Err(ApiError::too_large(limits.max_bytes));
    }
    if body.is_end_stream() {
        return Ok((Bytes::new(), None));
    }
    let budget = if limits.is_authenticated { &budgets.authenticated } else { &budgets.anonymous };
    let reservation = budget.reserve(limits.caller, 0).map_err(|_| out_of_memory())?;
    let read = tokio::time::timeout(timeout, collect(body, limits.max_bytes, reservation));
    let (bytes, reservation) = read.await.map_err(|_| ApiError::body_timeout())??;
    Ok((bytes, Some(reservation)))
}

async fn collect(
    mut body: Body,
    max_bytes: usize,
    mut reservation: Reservation,
) -> Result<(Bytes, Reservation), ApiError> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| ApiError::malformed("the body ended early"))?;
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > max_bytes {
            return Err(ApiError::too_large(max_bytes));
        }
        reservation.grow(data.len()).map_err(|_| out_of_memory())?;
        bytes.extend_from_slice(&data);
    }
    Ok((bytes.into(), reservation))
}

fn out_of_memory() -> ApiError {
    Error::unavailable("too many request bodies are in progress; repeat the request").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sender of the parts of a body, and the body.
    fn body() -> (tokio::sync::mpsc::UnboundedSender<Bytes>, Body) {
        let (sender, parts) = tokio::sync::mpsc::unbounded_channel();
        let parts = futures_util::stream::unfold(parts, |mut parts| async {
            let part: Bytes = parts.recv().await?;
            Some((Ok::<_, std::convert::Infallible>(part), parts))
        });
        (sender, Body::from_stream(parts))
    }

    fn network(last: u8) -> Option<String> {
        Some(format!("192.0.2.{last}"))
    }

    #[tokio::test]
    async fn bytes_count_when_they_arrive_and_until_the_request_is_processed() {
        let budget = Budget::new(10, 6);
        let (first, first_body) = body();
        let reading = collect(first_body, 100, budget.reserve(network(1), 0).unwrap());
        let mut reading = std::pin::pin!(reading);
        assert!(futures_util::poll!(&mut reading).is_pending());
        assert_eq!(budget.used(), 0, "an open request counts nothing");
        first.send(Bytes::from_static(b"12345")).unwrap();
        assert!(futures_util::poll!(&mut reading).is_pending());
        assert_eq!(budget.used(), 5);

        let (bytes, same_network) = (Body::from("67"), budget.reserve(network(1), 0).unwrap());
        assert_eq!(collect(bytes, 100, same_network).await.unwrap_err().status(), 503);
        let other_network = budget.reserve(network(2), 0).unwrap();
        let (bytes, other) = collect(Body::from("12345"), 100, other_network).await.unwrap();
        assert_eq!((bytes.as_ref(), budget.used()), (b"12345".as_slice(), 10));
        let third_network = budget.reserve(network(3), 0).unwrap();
        assert_eq!(collect(Body::from("1"), 100, third_network).await.unwrap_err().status(), 503);

        drop((first, other));
        let (bytes, reservation) = reading.await.unwrap();
        assert_eq!((bytes.as_ref(), budget.used()), (b"12345".as_slice(), 5));
        drop(reservation);
        assert_eq!(budget.used(), 0);
    }

    #[tokio::test]
    async fn a_body_beyond_its_limit_is_rejected_although_it_announces_no_length() {
        let budget = Budget::new(100, 100);
        let (parts, body) = body();
        parts.send(Bytes::from_static(b"1234")).unwrap();
        parts.send(Bytes::from_static(b"5")).unwrap();
        let rejected = collect(body, 4, budget.reserve(None, 0).unwrap()).await.unwrap_err();
        assert_eq!((rejected.status().as_u16(), budget.used()), (413, 0));
    }

    #[test]
    fn a_caller_without_valid_credentials_has_a_small_limit() {
        let address: IpAddr = "2001:db8:1:2::3".parse().unwrap();
        let rejected = Identity::Rejected(ApiError::csrf());
        for (is_signed, identity, max_bytes) in [
            (false, Identity::Anonymous, MAX_ANONYMOUS_BODY_BYTES),
            (false, rejected, MAX_ANONYMOUS_BODY_BYTES),
            (true, Identity::Anonymous, MAX_BODY_BYTES),
        ] {
            let caller = Some("2001:db8:1:2".to_owned());
            let limits = BodyLimits { max_bytes, is_authenticated: false, caller };
            assert_eq!(BodyLimits::of(is_signed, &identity, Some(address)), limits, "{identity:?}");
        }
    }
}
