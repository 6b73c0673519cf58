//! Usage as Stripe's meters and meter events.
//!
//! A meter takes a report for an hour as the total of that hour: a later report replaces an earlier one
//! (`event_time_window`). So a repeated report is harmless, however late it becomes known whether the first one
//! arrived.

use hexabase_core::billing::UsageEvent;
use hexabase_core::error::{Error, Result};
use hexabase_core::model::{CustomerId, Hour, Meter};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::StripeBilling;
use super::client::{Form, Identified, List};
use super::error::StripeError;

/// Keys of an event's payload with the customer id and with the amount.
const CUSTOMER: &str = "stripe_customer_id";
const VALUE: &str = "value";

#[derive(Debug, Deserialize)]
struct StripeMeter {
    id: String,
    event_name: String,
}

impl Identified for StripeMeter {
    fn id(&self) -> &str {
        &self.id
    }
}

#[derive(Debug, Deserialize)]
struct Summary {
    aggregated_value: f64,
}

/// Returns the name of a meter's events.
fn event_name(meter: Meter) -> String {
    format!("hexabase_{meter}")
}

impl StripeBilling {
    /// Returns the id of a meter at Stripe; `None` if it does not exist.
    pub(super) async fn meter(&self, meter: Meter) -> Result<Option<String>> {
        let meters: Vec<StripeMeter> =
            self.client.list_all("billing/meters", &Form::new().with("status", "active")).await?;
        let name = event_name(meter);
        Ok(meters.into_iter().find(|known| known.event_name == name).map(|known| known.id))
    }

    pub(super) async fn require_meter(&self, meter: Meter) -> Result<String> {
        self.meter(meter).await?.ok_or_else(|| unknown_meter(meter))
    }

    pub(super) async fn create_meter(&self, meter: Meter) -> Result<()> {
        if self.meter(meter).await?.is_some() {
            return Ok(());
        }
        let form = Form::new()
            .with("display_name", format!("Hexabase {meter}, thousandths of {}", meter.unit()))
            .with("event_name", event_name(meter))
            .with("event_time_window", "hour")
            .with("default_aggregation[formula]", "sum")
            .with("customer_mapping[type]", "by_id")
            .with("customer_mapping[event_payload_key]", CUSTOMER)
            .with("value_settings[event_payload_key]", VALUE);
        self.client.post::<StripeMeter>("billing/meters", &form, &format!("meter/{meter}")).await?;
        Ok(())
    }

    pub(super) async fn report(&self, customer: &CustomerId, event: &UsageEvent) -> Result<()> {
        let form = Form::new()
            .with("event_name", event_name(event.meter))
            .with("identifier", &event.identifier)
            .with("timestamp", event.at.as_second())
            .with(format!("payload[{CUSTOMER}]"), &customer.0)
            .with(format!("payload[{VALUE}]"), event.amount);
        match self.client.post::<IgnoredAny>("billing/meter_events", &form, &event.identifier).await {
            Err(error) if is_duplicate(&error) => Ok(()),
            Err(error) if is_missing_meter(&error) => Err(unknown_meter(event.meter).caused_by(error)),
            outcome => Ok(outcome.map(drop)?),
        }
    }

    pub(super) async fn reported(
        &self,
        customer: &CustomerId,
        meter: Meter,
        from: Hour,
        until: Hour,
    ) -> Result<u64> {
        let path = format!("billing/meters/{}/event_summaries", self.require_meter(meter).await?);
        let query = Form::new()
            .with("customer", &customer.0)
            .with("start_time", from.start().as_second())
            .with("end_time", until.start().as_second());
        let found: List<Summary> = self.client.get(&path, &query).await?;
        let sum: f64 = found.data.iter().map(|summary| summary.aggregated_value).sum();
        Ok(whole(sum))
    }
}

/// Converts a sum of whole numbers, all of which an `f64` represents exactly.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a sum of whole numbers")]
fn whole(sum: f64) -> u64 {
    sum.round() as u64
}

/// `true` if Stripe has already received an event with this identifier. Stripe has no error code for that.
fn is_duplicate(error: &StripeError) -> bool {
    error
        .api_error()
        .is_some_and(|it| it.status == 400 && it.message.contains("already exists with identifier"))
}

/// `true` if the meter does not exist.
fn is_missing_meter(error: &StripeError) -> bool {
    let names =
        |message: &str| message.starts_with("No active meter") || message.starts_with("No such meter");
    error.api_error().is_some_and(|it| names(&it.message))
}

fn unknown_meter(meter: Meter) -> Error {
    let message =
        "the payment provider does not know this meter yet; an operator must run `hexabase billing sync`";
    Error::unavailable(message).with("meter", meter)
}
