//! Whether a webhook comes from Stripe (<https://docs.stripe.com/webhooks/signature>), and what it is about.

use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use hexabase_core::billing::WebhookHint;
use hexabase_core::error::{Error, Result};
use hexabase_core::model::CustomerId;
use hexabase_core::secret::{ExposeSecret as _, SecretString};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

/// How far the time of a signature may be from ours.
const TOLERANCE: Duration = Duration::from_secs(300);
/// How many signatures of a header are looked at: one for each secret that is in use while one is replaced.
const MOST_SIGNATURES: usize = 8;

/// What is told of that says something about an account.
const KINDS: [&str; 5] = ["customer.", "invoice.", "payment_method.", "checkout.session.", "setup_intent."];

/// The secrets that Stripe signs with: several while one is replaced.
pub(super) struct Secrets(Vec<hmac::Key>);

impl Secrets {
    pub(super) fn new(secrets: &[SecretString]) -> Self {
        let key =
            |secret: &SecretString| hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
        // An empty secret would let everybody sign.
        let real = secrets.iter().filter(|secret| !secret.expose_secret().is_empty());
        Self(real.map(key).collect())
    }

    /// What a webhook is about, if Stripe sent it, and just now.
    pub(super) fn verify(&self, body: &[u8], header: &str, now: Timestamp) -> Result<WebhookHint> {
        let (at, signatures) =
            parse(header).ok_or_else(|| refused("there is no signature that can be read"))?;
        let tolerance = SignedDuration::try_from(TOLERANCE).unwrap_or(SignedDuration::MAX);
        let sent = at.parse().ok().and_then(|at: i64| Timestamp::from_second(at).ok());
        let sent = sent.ok_or_else(|| refused("its time cannot be read"))?;
        let fits = self.0.iter().any(|key| {
            let mut context = hmac::Context::with_key(key);
            context.update(at.as_bytes());
            context.update(b".");
            context.update(body);
            let tag = context.sign();
            // All of them are compared, so that how long it takes says nothing.
            let equal = |signature: &[u8; 32]| verify_slices_are_equal(tag.as_ref(), signature).is_ok();
            signatures.iter().fold(false, |found, signature| equal(signature) | found)
        });
        if !fits {
            return Err(refused("no signature fits any of the secrets"));
        }
        if now.duration_since(sent).abs() > tolerance {
            return Err(refused("it was signed too long ago, or the clocks differ"));
        }
        hint(body)
    }
}

fn refused(why: &str) -> Error {
    Error::unauthenticated(format!("the webhook is not taken in: {why}"))
}

/// The time, as it is written, and the signatures of the one scheme that counts.
fn parse(header: &str) -> Option<(&str, Vec<[u8; 32]>)> {
    let mut at = None;
    let mut signatures = Vec::new();
    for (name, value) in header.split(',').filter_map(|part| part.trim().split_once('=')) {
        match name {
            "t" => at = Some(value),
            "v1" if signatures.len() < MOST_SIGNATURES => signatures.extend(unhex(value)),
            _ => {}
        }
    }
    Some((at?, signatures)).filter(|(_, signatures)| !signatures.is_empty())
}

fn unhex(text: &str) -> Option<[u8; 32]> {
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

#[derive(Deserialize)]
struct Event<'a> {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(borrow)]
    data: Data<'a>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    object: Object<'a>,
}

#[derive(Deserialize)]
struct Object<'a> {
    #[serde(default)]
    id: String,
    #[serde(default)]
    object: std::borrow::Cow<'a, str>,
    #[serde(default)]
    customer: Option<Customer>,
}

/// A customer's name, or the customer whole.
#[derive(Deserialize)]
#[serde(untagged)]
enum Customer {
    Name(String),
    Whole { id: String },
}

fn hint(body: &[u8]) -> Result<WebhookHint> {
    let event: Event<'_> = serde_json::from_slice(body)
        .map_err(|error| Error::invalid("body", format!("is no event of Stripe's: {error}")))?;
    let object = event.data.object;
    let customer = match object.customer {
        Some(Customer::Name(id) | Customer::Whole { id }) => Some(id),
        None if object.object == "customer" => Some(object.id),
        None => None,
    };
    let told = KINDS.iter().any(|kind| event.kind.starts_with(kind));
    let customer = customer.filter(|id| told && !id.is_empty()).map(CustomerId);
    Ok(WebhookHint { event_id: event.id, kind: event.kind, customer })
}
