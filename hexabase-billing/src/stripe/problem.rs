//! What can go wrong with Stripe, and what that means.

use std::time::Duration;

use hexabase_core::billing::payment_failed;
use hexabase_core::error::Error;
use serde::Deserialize;

/// A request that Stripe did not do, or of which nobody knows whether it did.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    /// There was no answer.
    #[error("Stripe did not answer")]
    Silence(#[source] reqwest::Error),
    /// There was an answer that makes no sense.
    #[error("Stripe's answer cannot be read")]
    Nonsense(#[source] serde_json::Error),
    /// Stripe said no.
    #[error("{0}")]
    Refusal(Refusal),
}

/// What Stripe says when it says no (<https://docs.stripe.com/api/errors>).
#[derive(Debug, thiserror::Error)]
#[error("{message} (status {status}, request {request_id})")]
pub(super) struct Refusal {
    pub(super) status: u16,
    /// `card_declined`, `resource_missing` and the like; empty when there is none.
    pub(super) code: String,
    pub(super) parameter: String,
    pub(super) message: String,
    pub(super) request_id: String,
    /// Whether it is what was answered to the same key before.
    pub(super) replayed: bool,
    pub(super) should_retry: Option<bool>,
    pub(super) retry_after: Option<Duration>,
}

/// The body of a refusal.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Body {
    pub(super) error: Details,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Details {
    #[serde(default)]
    pub(super) code: Option<String>,
    #[serde(default)]
    pub(super) param: Option<String>,
    #[serde(default)]
    pub(super) message: Option<String>,
}

impl Problem {
    /// Whether the same request may go better in a moment (<https://docs.stripe.com/error-low-level>).
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Silence(_) => true,
            Self::Nonsense(_) => false,
            Self::Refusal(refusal) => {
                refusal.should_retry.unwrap_or(matches!(refusal.status, 409 | 429 | 500..))
            }
        }
    }

    pub(super) fn refusal(&self) -> Option<&Refusal> {
        if let Self::Refusal(refusal) = self { Some(refusal) } else { None }
    }

    /// Whether this is a failure of Stripe's own that it will answer to this key from now on.
    pub(super) fn is_stuck(&self) -> bool {
        self.refusal().is_some_and(|refusal| refusal.replayed && refusal.status >= 500)
    }

    /// Whether the bank waits for the customer.
    pub(super) fn needs_customer(&self) -> bool {
        self.refusal().is_some_and(|refusal| {
            let codes = ["subscription_payment_intent_requires_action", "authentication_required"];
            codes.contains(&refusal.code.as_str())
        })
    }

    /// Whether something is not there that was named.
    pub(super) fn is_missing(&self) -> bool {
        self.refusal().is_some_and(|refusal| refusal.status == 404 || refusal.code == "resource_missing")
    }

    /// Whether it is this that is not there. Of what a path names Stripe says in its message alone what it is.
    pub(super) fn misses(&self, what: &str) -> bool {
        let named = |refusal: &Refusal| {
            refusal.parameter.contains(what) || refusal.message.starts_with(&format!("No such {what}:"))
        };
        self.is_missing() && self.refusal().is_some_and(named)
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        let away = |problem: Problem| {
            Self::unavailable("the payment provider could not be asked; it is tried again").caused_by(problem)
        };
        let Problem::Refusal(refusal) = &problem else { return away(problem) };
        match refusal.status {
            402 => payment_failed(refusal.message.clone()).with("stripe_request", &refusal.request_id),
            401 | 403 => {
                Self::unavailable("the payment provider refuses our key; an operator has to look at it")
                    .caused_by(problem)
            }
            _ if problem.misses("customer") => Self::not_found("customer").caused_by(problem),
            // It was there a moment ago: whoever looks again sees what there is now.
            404 => away(problem),
            _ if problem.is_transient() => away(problem),
            _ => Self::unexpected("the payment provider refuses what was asked of it").caused_by(problem),
        }
    }
}

#[cfg(test)]
mod tests {
    use hexabase_core::ErrorKind;

    use super::*;

    fn missing(message: &str) -> Error {
        let refusal = Refusal {
            status: 404,
            code: "resource_missing".to_owned(),
            parameter: "id".to_owned(),
            message: message.to_owned(),
            request_id: "req_1".to_owned(),
            replayed: false,
            should_retry: Some(false),
            retry_after: None,
        };
        Problem::Refusal(refusal).into()
    }

    #[test]
    fn only_a_customer_that_is_gone_is_taken_for_one() {
        assert_eq!(missing("No such customer: 'cus_1'").kind(), ErrorKind::NotFound);
        let meanwhile = missing("No such subscription: 'sub_1'");
        assert!(meanwhile.is_retryable(), "nobody loses a plan because something ended at the same moment");
    }
}
