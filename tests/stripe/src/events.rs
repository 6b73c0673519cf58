use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::API_VERSION;
use crate::error::StripeResult;
use crate::parameters::Parameters;
use crate::state::State;

/// Event that is delivered to a webhook endpoint.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Body of the request, as JSON.
    pub body: String,
    /// Type of the event, such as `invoice.paid`.
    pub kind: String,
}

/// Returns the `Stripe-Signature` header for a body (<https://docs.stripe.com/webhooks/signature>), with one signature
/// for each secret. `at` is the time of the signature in seconds since the epoch.
///
/// # Panics
/// Never.
#[must_use]
pub fn sign(body: &[u8], secrets: &[&str], at: i64) -> String {
    let mut header = format!("t={at}");
    for secret in secrets {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC accepts keys of any length");
        mac.update(format!("{at}.").as_bytes());
        mac.update(body);
        let digest: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        header.push_str(&format!(",v1={digest}"));
    }
    header
}

impl State {
    /// Records an event at the current time.
    pub(crate) fn record_event(&mut self, kind: &str, object: &Value) {
        let id = self.id("evt");
        self.events.push(json!({
            "id": id, "object": "event", "api_version": API_VERSION, "created": self.now, "data": { "object": object },
            "livemode": false, "pending_webhooks": 1, "request": { "id": null, "idempotency_key": null }, "type": kind,
        }));
    }

    pub(crate) fn create_endpoint(&mut self, parameters: &Parameters) -> StripeResult {
        parameters.reject_unknown(&["url", "enabled_events", "api_version", "description"])?;
        let id = self.id("we");
        let endpoint = json!({
            "id": id, "object": "webhook_endpoint", "api_version": parameters.text("api_version"), "application": null,
            "created": self.now, "description": parameters.text("description"), "enabled_events": ["*"],
            "livemode": false, "metadata": {}, "secret": format!("whsec_{id}"), "status": "enabled",
            "url": parameters.required("url")?,
        });
        self.endpoints.insert(id, endpoint.clone());
        Ok(endpoint)
    }
}
