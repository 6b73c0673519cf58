//! Verification of webhooks (<https://docs.stripe.com/webhooks/signature>), and extraction of their subject.

use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use hexabase_core::billing::WebhookHint;
use hexabase_core::error::{Error, Result};
use hexabase_core::model::CustomerId;
use hexabase_core::secret::{ExposeSecret as _, SecretString};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;

/// Maximum difference between the timestamp of a signature and the current time.
const TOLERANCE: Duration = Duration::from_secs(300);
/// Maximum number of signatures of a header that are compared. Stripe sends one per active secret, and several secrets
/// are active during a rotation.
const MAX_SIGNATURES: usize = 8;

/// Prefixes of the types of events that affect a billing account.
const ACCOUNT_EVENT_PREFIXES: [&str; 5] =
    ["customer.", "invoice.", "payment_method.", "checkout.session.", "setup_intent."];

/// Signing secrets; several during a rotation.
pub(super) struct WebhookSecrets(Vec<hmac::Key>);

impl WebhookSecrets {
    pub(super) fn new(secrets: &[SecretString]) -> Self {
        let key =
            |secret: &SecretString| hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
        // Any client could sign with an empty secret.
        let valid = secrets.iter().filter(|secret| !secret.expose_secret().is_empty());
        Self(valid.map(key).collect())
    }

    /// Verifies signature and timestamp of a webhook, and returns its subject.
    pub(super) fn verify(&self, body: &[u8], header: &str, now: Timestamp) -> Result<WebhookHint> {
        let (at, signatures) =
            parse(header).ok_or_else(|| rejected("the signature header cannot be parsed"))?;
        let tolerance = SignedDuration::try_from(TOLERANCE).unwrap_or(SignedDuration::MAX);
        let sent = at.parse().ok().and_then(|at: i64| Timestamp::from_second(at).ok());
        let sent = sent.ok_or_else(|| rejected("its timestamp cannot be parsed"))?;
        let matches = self.0.iter().any(|key| {
            let mut context = hmac::Context::with_key(key);
            context.update(at.as_bytes());
            context.update(b".");
            context.update(body);
            let tag = context.sign();
            // Every signature is compared, so that the duration reveals nothing.
            let equal = |signature: &[u8; 32]| verify_slices_are_equal(tag.as_ref(), signature).is_ok();
            signatures.iter().fold(false, |found, signature| equal(signature) | found)
        });
        if !matches {
            return Err(rejected("no signature matches any of the secrets"));
        }
        if now.duration_since(sent).abs() > tolerance {
            return Err(rejected("its timestamp is out of tolerance, or the clocks differ"));
        }
        hint(body)
    }
}

fn rejected(reason: &str) -> Error {
    Error::unauthenticated(format!("the webhook is rejected: {reason}"))
}

/// Parses the header into the timestamp, as text, and the signatures of the scheme `v1`.
fn parse(header: &str) -> Option<(&str, Vec<[u8; 32]>)> {
    let mut at = None;
    let mut signatures = Vec::new();
    for (name, value) in header.split(',').filter_map(|part| part.trim().split_once('=')) {
        match name {
            "t" => at = Some(value),
            "v1" if signatures.len() < MAX_SIGNATURES => signatures.extend(decode_hex(value)),
            _ => {}
        }
    }
    Some((at?, signatures)).filter(|(_, signatures)| !signatures.is_empty())
}

fn decode_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

/// Fields that every event has. The object of an event is read leniently: thin events have none
/// (<https://docs.stripe.com/event-destinations#thin-events>), and an error would make Stripe repeat for days an event
/// that affects no billing account.
#[derive(Deserialize)]
struct Event {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    data: Value,
}

fn hint(body: &[u8]) -> Result<WebhookHint> {
    let event: Event = serde_json::from_slice(body)
        .map_err(|error| Error::invalid("body", format!("must be an event of Stripe: {error}")))?;
    let object = &event.data["object"];
    // A field that refers to a customer has its id, or the expanded object.
    let customer = match &object["customer"] {
        Value::Null if object["object"] == "customer" => &object["id"],
        Value::Object(customer) => customer.get("id").unwrap_or(&Value::Null),
        customer => customer,
    };
    let affects_account = ACCOUNT_EVENT_PREFIXES.iter().any(|prefix| event.kind.starts_with(prefix));
    let customer = customer.as_str().filter(|id| affects_account && !id.is_empty());
    let customer = customer.map(|id| CustomerId(id.to_owned()));
    Ok(WebhookHint { event_id: event.id, kind: event.kind, customer })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint_of(body: &str) -> WebhookHint {
        hint(body.as_bytes()).unwrap()
    }

    #[test]
    fn the_customer_of_an_event_is_found_in_every_shape() {
        for (data, customer) in [
            (r#""data":{"object":{"object":"invoice","customer":"cus_1"}}"#, Some("cus_1")),
            (
                r#""data":{"object":{"object":"invoice","customer":{"id":"cus_1","object":"customer"}}}"#,
                Some("cus_1"),
            ),
            (r#""data":{"object":{"id":"cus_1","object":"customer"}}"#, Some("cus_1")),
            (r#""data":{"object":{"id":7,"object":"invoice","customer":"cus_1"}}"#, Some("cus_1")),
            (r#""data":{"object":{"id":"in_1","object":"invoice"}}"#, None),
            (r#""data":{"object":{"id":"in_1","object":"invoice","customer":null}}"#, None),
            (r#""data":{"object":{"id":"in_1","object":"invoice","customer":""}}"#, None),
        ] {
            let hint = hint_of(&format!(r#"{{"id":"evt_1","type":"invoice.paid",{data}}}"#));
            assert_eq!(hint.customer, customer.map(|id| CustomerId(id.to_owned())), "{data}");
        }
    }

    #[test]
    fn events_of_any_other_shape_are_accepted_without_a_customer() {
        for kind in ["invoice.paid", "customer.updated", "v1.billing.meter.error_report_triggered"] {
            for data in [
                "",
                r#","data":null"#,
                r#","data":{}"#,
                r#","data":[]"#,
                r#","data":"none""#,
                r#","data":{"object":null}"#,
                r#","data":{"object":"in_1"}"#,
                r#","data":{"object":{"customer":7}}"#,
                r#","data":{"object":{"customer":{"object":"customer"}}}"#,
                r#","data":{"object":{"object":"customer","id":7}}"#,
                r#","data":{"reason":{}},"related_object":{"id":"mtr_1","type":"billing.meter"}"#,
            ] {
                let hint = hint_of(&format!(r#"{{"id":"evt_1","type":"{kind}"{data}}}"#));
                assert_eq!(
                    hint,
                    WebhookHint { event_id: "evt_1".to_owned(), kind: kind.to_owned(), customer: None }
                );
            }
        }
    }

    #[test]
    fn a_body_that_is_no_event_is_invalid() {
        for body in ["", "{}", "[]", "null", r#"{"id":"evt_1"}"#, r#"{"type":"x"}"#, r#"{"id":1,"type":"x"}"#]
        {
            assert!(hint(body.as_bytes()).is_err(), "{body}");
        }
    }
}
