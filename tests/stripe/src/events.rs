use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::API_VERSION;
use crate::parameters::Parameters;
use crate::problem::Outcome;
use crate::state::State;

/// An event on its way to an endpoint.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// What is sent.
    pub body: String,
    /// What kind: `invoice.paid`.
    pub kind: String,
}

/// The header `Stripe-Signature` for a body (<https://docs.stripe.com/webhooks/signature>), made with each of these secrets.
///
/// # Panics
/// Never.
#[must_use]
pub fn sign(body: &[u8], secrets: &[&str], at: i64) -> String {
    let mut header = format!("t={at}");
    for secret in secrets {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("any length is a key");
        mac.update(format!("{at}.").as_bytes());
        mac.update(body);
        let digest: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        header.push_str(&format!(",v1={digest}"));
    }
    header
}

impl State {
    /// Notes that something happened, as of now.
    pub(crate) fn tell(&mut self, kind: &str, object: &Value) {
        let id = self.id("evt");
        self.events.push(json!({
            "id": id, "object": "event", "api_version": API_VERSION, "created": self.now, "data": { "object": object },
            "livemode": false, "pending_webhooks": 1, "request": { "id": null, "idempotency_key": null }, "type": kind,
        }));
    }

    pub(crate) fn make_endpoint(&mut self, parameters: &Parameters) -> Outcome {
        parameters.only(&["url", "enabled_events", "api_version", "description"])?;
        let id = self.id("we");
        let endpoint = json!({
            "id": id, "object": "webhook_endpoint", "api_version": parameters.text("api_version"), "application": null,
            "created": self.now, "description": parameters.text("description"), "enabled_events": ["*"],
            "livemode": false, "metadata": {}, "secret": format!("whsec_{id}"), "status": "enabled",
            "url": parameters.need("url")?,
        });
        self.endpoints.insert(id, endpoint.clone());
        Ok(endpoint)
    }
}
