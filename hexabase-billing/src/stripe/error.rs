//! Errors of Stripe's API and their conversion.

use std::time::Duration;

use hexabase_core::billing::payment_failed;
use hexabase_core::error::Error;
use serde::Deserialize;

/// Failed request, or request with an unknown outcome.
#[derive(Debug, thiserror::Error)]
pub(super) enum StripeError {
    /// No response arrived.
    #[error("Stripe did not respond")]
    NoResponse(#[source] reqwest::Error),
    /// The response could not be parsed.
    #[error("Stripe's response cannot be parsed")]
    InvalidResponse(#[source] serde_json::Error),
    /// Stripe returned an error.
    #[error("{0}")]
    Api(StripeApiError),
}

/// Error that Stripe returned (<https://docs.stripe.com/api/errors>).
#[derive(Debug, thiserror::Error)]
#[error("{message} (status {status}, request {request_id})")]
pub(super) struct StripeApiError {
    pub(super) status: u16,
    /// Error code, such as `card_declined` or `resource_missing`; empty if there is none.
    pub(super) code: String,
    pub(super) parameter: String,
    pub(super) message: String,
    pub(super) request_id: String,
    /// `true` if Stripe replayed the response to an earlier request with the same idempotency key.
    pub(super) replayed: bool,
    pub(super) should_retry: Option<bool>,
    pub(super) retry_after: Option<Duration>,
}

/// Body of an error response.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ErrorBody {
    pub(super) error: ErrorDetails,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct ErrorDetails {
    #[serde(default)]
    pub(super) code: Option<String>,
    #[serde(default)]
    pub(super) param: Option<String>,
    #[serde(default)]
    pub(super) message: Option<String>,
}

impl StripeError {
    /// `true` if the same request may succeed later (<https://docs.stripe.com/error-low-level>).
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::NoResponse(_) => true,
            Self::InvalidResponse(_) => false,
            Self::Api(api_error) => {
                api_error.should_retry.unwrap_or(matches!(api_error.status, 409 | 429 | 500..))
            }
        }
    }

    pub(super) fn api_error(&self) -> Option<&StripeApiError> {
        if let Self::Api(api_error) = self { Some(api_error) } else { None }
    }

    /// `true` if Stripe replays a failure of its own and will do so for every request with this idempotency key.
    pub(super) fn is_replayed_failure(&self) -> bool {
        self.api_error().is_some_and(|api_error| api_error.replayed && api_error.status >= 500)
    }

    /// `true` if the bank requires the customer's confirmation of the payment.
    pub(super) fn requires_action(&self) -> bool {
        self.api_error().is_some_and(|api_error| {
            let codes = ["subscription_payment_intent_requires_action", "authentication_required"];
            codes.contains(&api_error.code.as_str())
        })
    }

    /// `true` if an object of the request does not exist.
    pub(super) fn is_missing(&self) -> bool {
        self.api_error()
            .is_some_and(|api_error| api_error.status == 404 || api_error.code == "resource_missing")
    }

    /// `true` if the missing object is of this kind. For an object of the path, Stripe names the kind in the message
    /// only.
    pub(super) fn misses(&self, kind: &str) -> bool {
        let named = |api_error: &StripeApiError| {
            api_error.parameter.contains(kind) || api_error.message.starts_with(&format!("No such {kind}:"))
        };
        self.is_missing() && self.api_error().is_some_and(named)
    }
}

impl From<StripeError> for Error {
    fn from(error: StripeError) -> Self {
        let unavailable = |error: StripeError| {
            Self::unavailable("the payment provider cannot be reached; the request is repeated later")
                .caused_by(error)
        };
        let StripeError::Api(api_error) = &error else { return unavailable(error) };
        match api_error.status {
            402 => payment_failed(api_error.message.clone()).with("stripe_request", &api_error.request_id),
            401 | 403 => {
                Self::unavailable("the payment provider rejects the API key; an operator must check it")
                    .caused_by(error)
            }
            _ if error.misses("customer") => Self::not_found("customer").caused_by(error),
            // An object that existed a moment ago is missing: a retry reads the current state.
            404 => unavailable(error),
            _ if error.is_transient() => unavailable(error),
            _ => Self::unexpected("the payment provider rejected the request").caused_by(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use hexabase_core::ErrorKind;

    use super::*;

    fn missing(message: &str) -> Error {
        let api_error = StripeApiError {
            status: 404,
            code: "resource_missing".to_owned(),
            parameter: "id".to_owned(),
            message: message.to_owned(),
            request_id: "req_1".to_owned(),
            replayed: false,
            should_retry: Some(false),
            retry_after: None,
        };
        StripeError::Api(api_error).into()
    }

    #[test]
    fn only_a_missing_customer_is_not_found() {
        assert_eq!(missing("No such customer: 'cus_1'").kind(), ErrorKind::NotFound);
        let subscription = missing("No such subscription: 'sub_1'");
        assert!(subscription.is_retryable(), "a subscription that ended meanwhile must not reject an order");
    }
}
