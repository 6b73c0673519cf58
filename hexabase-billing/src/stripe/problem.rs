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

    /// Whether what a parameter names is not there; an empty name stands for what the path names.
    pub(super) fn is_missing(&self, parameter: &str) -> bool {
        self.refusal().is_some_and(|refusal| {
            let missing = refusal.status == 404 || refusal.code == "resource_missing";
            missing && (parameter.is_empty() || refusal.parameter.contains(parameter))
        })
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
            _ if problem.is_missing("customer") => Self::not_found("customer").caused_by(problem),
            404 => Self::not_found("thing at the payment provider").caused_by(problem),
            _ if problem.is_transient() => away(problem),
            _ => Self::unexpected("the payment provider refuses what was asked of it").caused_by(problem),
        }
    }
}
