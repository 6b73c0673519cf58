//! Usage as Stripe's meters and meter events.
//!
//! A meter takes what it is told of an hour as that hour's sum: what comes later takes the place of what came before
//! (`event_time_window`), so that telling again is harmless however long it takes to know whether the first telling
//! arrived.

use hexabase_core::billing::UsageEvent;
use hexabase_core::error::{Error, Result};
use hexabase_core::model::{CustomerId, Hour, Meter};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::StripeBilling;
use super::client::{Form, List, Named};
use super::problem::Problem;

/// Where in an event the customer is named, and where the amount.
const CUSTOMER: &str = "stripe_customer_id";
const VALUE: &str = "value";

#[derive(Debug, Deserialize)]
struct StripeMeter {
    id: String,
    event_name: String,
}

impl Named for StripeMeter {
    fn id(&self) -> &str {
        &self.id
    }
}

#[derive(Debug, Deserialize)]
struct Summary {
    aggregated_value: f64,
}

/// What events of a meter are called.
fn event_name(meter: Meter) -> String {
    format!("hexabase_{meter}")
}

impl StripeBilling {
    /// Stripe's name for a meter, if it is there.
    pub(super) async fn meter(&self, meter: Meter) -> Result<Option<String>> {
        let all: Vec<StripeMeter> =
            self.client.all("billing/meters", &Form::new().with("status", "active")).await?;
        let name = event_name(meter);
        Ok(all.into_iter().find(|known| known.event_name == name).map(|known| known.id))
    }

    pub(super) async fn known_meter(&self, meter: Meter) -> Result<String> {
        self.meter(meter).await?.ok_or_else(|| unmetered(meter))
    }

    pub(super) async fn make_meter(&self, meter: Meter) -> Result<()> {
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

    pub(super) async fn tell(&self, customer: &CustomerId, event: &UsageEvent) -> Result<()> {
        let form = Form::new()
            .with("event_name", event_name(event.meter))
            .with("identifier", &event.identifier)
            .with("timestamp", event.at.as_second())
            .with(format!("payload[{CUSTOMER}]"), &customer.0)
            .with(format!("payload[{VALUE}]"), event.amount);
        match self.client.post::<IgnoredAny>("billing/meter_events", &form, &event.identifier).await {
            Err(problem) if is_known(&problem) => Ok(()),
            Err(problem) if lacks_meter(&problem) => Err(unmetered(event.meter).caused_by(problem)),
            outcome => Ok(outcome.map(drop)?),
        }
    }

    pub(super) async fn told(
        &self,
        customer: &CustomerId,
        meter: Meter,
        from: Hour,
        until: Hour,
    ) -> Result<u64> {
        let path = format!("billing/meters/{}/event_summaries", self.known_meter(meter).await?);
        let query = Form::new()
            .with("customer", &customer.0)
            .with("start_time", from.start().as_second())
            .with("end_time", until.start().as_second());
        let found: List<Summary> = self.client.get(&path, &query).await?;
        let sum: f64 = found.data.iter().map(|summary| summary.aggregated_value).sum();
        Ok(whole(sum))
    }
}

/// Only whole numbers were told, and none that a float could not hold.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a sum of whole numbers")]
fn whole(sum: f64) -> u64 {
    sum.round() as u64
}

/// Whether an event of this name was taken in before. Stripe has no code for that.
fn is_known(problem: &Problem) -> bool {
    problem
        .refusal()
        .is_some_and(|it| it.status == 400 && it.message.contains("already exists with identifier"))
}

/// Whether it is the meter that is not there.
fn lacks_meter(problem: &Problem) -> bool {
    let names =
        |message: &str| message.starts_with("No active meter") || message.starts_with("No such meter");
    problem.refusal().is_some_and(|it| names(&it.message))
}

fn unmetered(meter: Meter) -> Error {
    let message =
        "the payment provider does not know this meter yet; an operator has to run `hexabase billing sync`";
    Error::unavailable(message).with("meter", meter)
}
